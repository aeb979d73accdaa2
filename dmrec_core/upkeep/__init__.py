"""What keeps the checkout in order: notebook pairs, the papermill runner, the generated parts of the README."""
