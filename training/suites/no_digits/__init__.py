"""Pictures without a digit, drawn here from their own seeds and by none of the training's code."""
