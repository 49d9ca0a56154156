"""Pages of bulletins: the series and their issues, and the editing of one issue."""
