"""All of the backend that Blender imports: standard library only."""
