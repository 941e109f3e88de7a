"""Running the papers' tables again: the grid, our numbers beside theirs, and how sure they are."""
