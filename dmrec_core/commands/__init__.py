"""The commands of `python -m dmrec_core`, a file each, named as it is typed: its help, its options and what it does.

A command's docstring is its help. `add_options(parser)` says what it takes, options that several take as `shared` has
them; `perform(options)` does the work, which lies in the rooms below and is imported when it is asked for.
"""
