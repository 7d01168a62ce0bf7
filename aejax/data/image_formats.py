"""The image formats that are read, and what Pillow's modes do not show of them: bit depth, orientation, frames."""

from pathlib import Path

from PIL import Image, ImageFile

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM")  # Pillow's names; PPM includes PGM and PBM
FORMATS_TEXT = "PNG, JPEG, WebP, GIF, BMP, TIFF or PPM"
IMAGE_SUFFIXES = (  # ignoring case; the format is detected from the content
    [".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm"]
)
FIRST_FRAME_FORMATS = ("GIF", "JPEG", "MPO")  # of several frames the first is used
ORIENTATION_TAG = 0x0112  # EXIF tag
EXIF_TRANSPOSES = {  # by EXIF orientation; 1 is upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
TRANSPOSED_ORIENTATIONS = (5, 6, 7, 8)  # EXIF orientations that exchange width and height
PNG_BIT_DEPTH_OFFSET = 24  # byte of the IHDR chunk, which is always the first
TIFF_BITS_PER_SAMPLE = 258  # TIFF tag


def has_many_bits(image: ImageFile.ImageFile, content: Path | bytes) -> bool:
    """Whether an image stores more than 8 bits per channel, which Pillow's mode shows only for grayscale."""
    if image.mode.startswith(("I", "F")):
        return True
    if image.format == "TIFF":
        bits = image.tag_v2.get(TIFF_BITS_PER_SAMPLE, 1)  # type: ignore[attr-defined]
        return max(bits if isinstance(bits, tuple) else (bits,)) > 8
    if image.format == "PPM":
        arguments = [tile.args for tile in image.tile]  # of the decoder: mode and highest value
        return any(isinstance(args, tuple) and args[1] > 255 for args in arguments)
    if image.format != "PNG":
        return False
    if isinstance(content, bytes):
        return content[PNG_BIT_DEPTH_OFFSET] == 16
    with content.open("rb") as file:
        return file.read(PNG_BIT_DEPTH_OFFSET + 1)[-1] == 16


def orientation(image: Image.Image) -> int:
    """Returns the EXIF orientation that is still to be applied, 1 for upright, as far as it precedes the pixels."""
    # Pillow turns TIFF images itself, and would decode a whole PNG to look for EXIF data after its pixels.
    if image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info):
        return 1
    return image.getexif().get(ORIENTATION_TAG, 1)
