"""Conditional gated PixelCNN (van den Oord et al. 2016) as a family of models: exact, and in files."""

ARCHITECTURE = "ppyr-pixelcnn-1"
