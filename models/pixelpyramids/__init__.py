"""PixelPyramids (Mahajan and Roth 2021) as a family of models: exact, and in files."""

ARCHITECTURE = "ppyr-pixelpyramids-1"
