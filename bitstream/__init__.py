"""The .ppyr container and its entropy coder; FORMAT.md is the specification."""
