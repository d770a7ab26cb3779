"""Shots of the starter's world rendered by Blender: solid, lit, in perspective, with their exact truth.

    python -m tools.blender_shots --blender PYTHON --out FOLDER --count 300 --size 128

The backend's Python draws shots and captions from `backend/starter/world` and writes a plan (`plan.py`);
PYTHON, an interpreter with `import bpy`, builds each scene, films it and writes what it did
(`in_blender.py`). Workbench is fast and looks like the world; it needs OpenGL (Mesa's, without a screen, is
enough). Cycles needs nothing and takes longer.
A later run with the same arguments renders only what is missing.

FOLDER/shots.json holds a list of shots, each with `file` (an npz beside it: frames (F, H, W, 3) uint8),
`caption` (full, looks, motion), the words drawn, and the truth, one value per frame:

    camera    location (x, y, z) and rotation (Euler XYZ, radians) in metres of Blender's world, lens in mm
    picture   pan, tilt, zoom, roll of the background since the first frame, as `media.motion.CameraPath` has
              them: the similarity nearest to what the camera did to what is farthest away
    subject   centre (x right, y down), root of the area's share of the frame (both of the convex outline that
              the camera sees, also beyond the frame's edges)
"""
