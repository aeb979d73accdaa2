"""JupyterLab in this checkout: read because `make lab` names this folder, and Binder a copy."""

c = get_config()  # noqa: F821

c.LabApp.default_url = "/lab/tree/notebooks/00_start_here.ipynb"
c.ContentsManager.hide_globs.append("[0-9][0-9]*_*.py")  # a notebook's other half: each notebook is listed once
c.LabApp.news_url = None  # nobody is asked whether to receive news
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"  # constraints.txt says which version
