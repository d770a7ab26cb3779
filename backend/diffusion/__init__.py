"""What any diffusion program needs: noise paths, samplers, adapters, memory. No paper, no model family."""
