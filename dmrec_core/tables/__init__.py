"""Tables 2 and 3 of the paper, made again: plans of rows, their runs, and the paper's numbers beside ours."""
