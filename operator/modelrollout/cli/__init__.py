"""`kubectl model`: what people ask of the operator at a terminal. One file a verb; each imports what it needs late."""
