"""Decodes images of common formats into one uint8 array: all headers first, then all pixels, on several threads.

Images that are not plain grayscale or RGB are converted: palettes are looked up, transparent pixels are blended with
white, CMYK is converted without a colour profile, and the EXIF orientation is applied. Of a GIF, and of a JPEG file
with several pictures, the first is used. Images with more than 8 bits per channel and other files with several frames
are rejected, because only their owner knows how to convert them. All checksums of PNG files are verified; other formats
have none, so damage that can be decoded goes undetected.
"""

import contextlib
import io
import math
import struct
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from jaxtyping import UInt8
from PIL import ExifTags, Image, ImageFile, TiffImagePlugin, UnidentifiedImageError

from aejax.data.memory import require_host_memory
from aejax.errors import InputError, require, summarize_error

Result = TypeVar("Result")

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM")  # Pillow's names; PPM includes PGM and PBM
FORMATS_TEXT = "PNG, JPEG, WebP, GIF, BMP, TIFF or PPM"
IMAGE_SUFFIXES = (  # ignoring case; the format is detected from the content
    [".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm"]
)
FIRST_FRAME_FORMATS = ("GIF", "JPEG", "MPO")  # of several frames the first is used
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
MAX_FILE_BYTES = 1 << 30  # more than the largest image that Pillow decodes takes uncompressed
MAX_LISTED_IMAGES = 10  # of those that cannot be used
IMAGES_PER_TASK = 64  # images that a thread processes at a time
DECOMPRESSION_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)
# What Pillow raises for damaged images, besides OSError.
DECODE_ERRORS = (AssertionError, SyntaxError, ValueError, TypeError, LookupError, EOFError, struct.error)
RESAVE_HINT = "fetch or save it again, or take it out"


class EncodedImage(NamedTuple):
    """An image that has not been decoded."""

    location: str  # its name in error messages
    content: Path | bytes


class ImageHeader(NamedTuple):
    """Size and colour of an image."""

    height: int
    width: int
    is_grayscale: bool

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the decoded image."""
        return (self.height, self.width, 1 if self.is_grayscale else 3)


def decode_images(
    encoded_images: Sequence[EncodedImage], source: str, image_size: int | None = None
) -> UInt8[np.ndarray, "n h w c"]:
    """Decodes images in order; the result has one channel if all of them are grayscale, else three.

    Args:
        encoded_images: at least one.
        source: their name in error messages.
        image_size: resizes to this height and width (bicubic, antialiased), ignoring the aspect ratio; None: all images
            must have one size.

    Raises:
        InputError: an image is damaged, of another format or too large, sizes differ, or memory cannot hold them.
    """
    header = read_common_header(encoded_images, source, image_size)
    shape = (len(encoded_images), *header.shape)
    size = _format_size((header.height, header.width))
    require_host_memory(math.prod(shape), f"{source}: {shape[0]} images of {size}, {shape[3]} byte(s) a pixel,")
    return decode_pixels(encoded_images, header, image_size)


def read_common_header(
    encoded_images: Sequence[EncodedImage], source: str, image_size: int | None = None
) -> ImageHeader:
    """Returns the common size after resizing, and whether all images are grayscale, without decoding pixels.

    Raises:
        InputError: see `decode_images`.
    """
    with _strict_warnings():
        headers = _map_threaded(lambda row: read_header(encoded_images[row]), encoded_images)
    height, width = (image_size, image_size) if image_size else _require_one_size(encoded_images, headers, source)
    return ImageHeader(height, width, all(header.is_grayscale for header in headers))


def decode_pixels(
    encoded_images: Sequence[EncodedImage], header: ImageHeader, image_size: int | None = None
) -> UInt8[np.ndarray, "n h w c"]:
    """Decodes images of known size.

    Raises:
        InputError: an image is damaged or does not have the size of `header`.
    """
    images = np.empty((len(encoded_images), *header.shape), np.uint8)

    def fill(row: int) -> None:
        pixels = _decode_image(encoded_images[row], header.is_grayscale, image_size)
        size, expected = _format_size(pixels.shape), _format_size(header.shape)
        require(
            pixels.shape == header.shape,
            f"{encoded_images[row].location}: is {size} pixels; expected {expected} like the others; give --image-size "
            "to resize all",
        )
        images[row] = pixels

    with _strict_warnings():
        _map_threaded(fill, encoded_images)
    return images


@contextlib.contextmanager
def _strict_warnings() -> Iterator[None]:
    """Makes Pillow's warnings of huge images errors, and ignores its warnings of unreadable metadata."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def read_header(encoded_image: EncodedImage) -> ImageHeader:
    """Returns size after orientation, and whether the image is stored without colour; decodes no pixels.

    Raises:
        InputError: it is not an image of a known format, or of a kind that is rejected.
    """
    location, content = encoded_image
    with _open_image(location, content) as image:
        stored = content.stat().st_size if isinstance(content, Path) else len(content)
        require(stored <= MAX_FILE_BYTES, f"{location}: holds more than 1 GiB, which is no single image; take it out")
        require(
            not _has_many_bits(image),
            f"{location}: has 16 bits a channel or more; save it with 8, choosing the range to keep, or give the "
            "numbers as an .npz file",
        )
        frames = 1 if image.format in FIRST_FRAME_FORMATS else getattr(image, "n_frames", 1)  # not all classes have it
        require(frames == 1, f"{location}: holds {frames} frames; save each as a file")
        width, height = image.size[::-1] if _orientation(image) in TRANSPOSED_ORIENTATIONS else image.size
        return ImageHeader(height, width, _is_grayscale_image(image))


@contextlib.contextmanager
def _open_image(location: str, content: Path | bytes) -> Iterator[ImageFile.ImageFile]:
    """Opens an image; whatever Pillow raises for it, also later, becomes an `InputError`."""
    try:
        with Image.open(io.BytesIO(content) if isinstance(content, bytes) else content, formats=FORMATS) as image:
            yield image
    except InputError:
        raise
    except DECOMPRESSION_BOMBS as error:
        limit = Image.MAX_IMAGE_PIXELS
        raise InputError(f"{location}: announces more than {limit} pixels, Pillow's limit; make it smaller") from error
    except UnidentifiedImageError as error:
        raise InputError(f"{location}: not an intact {FORMATS_TEXT} image; {RESAVE_HINT}") from error
    except (OSError, *DECODE_ERRORS) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise InputError(f"{location}: cannot be read ({error.strerror}); check its permissions") from error
        raise InputError(f"{location}: damaged ({summarize_error(error, 100)}); {RESAVE_HINT}") from error


def _has_many_bits(image: ImageFile.ImageFile) -> bool:
    """Whether an image stores more than 8 bits per channel, which Pillow's mode shows only for grayscale."""
    if image.mode.startswith(("I", "F")):
        return True
    if image.format == "TIFF":
        bits = image.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, 1)  # type: ignore[attr-defined]
        return max(bits if isinstance(bits, tuple) else (bits,)) > 8
    arguments = [tile.args for tile in image.tile]  # of the decoder
    if image.format == "PNG":
        return any(";16" in str(raw_mode) for raw_mode in arguments)
    return image.format == "PPM" and any(isinstance(args, tuple) and args[1] > 255 for args in arguments)


def _orientation(image: Image.Image) -> int:
    """Returns the EXIF orientation that is still to be applied, 1 for upright, as far as it precedes the pixels."""
    # Pillow turns TIFF images itself, and would decode a whole PNG to look for EXIF data after its pixels.
    if image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info):
        return 1
    return image.getexif().get(ExifTags.Base.Orientation, 1)


def _is_grayscale_image(image: Image.Image) -> bool:
    if image.mode == "P" and image.palette is not None:
        colours = bytes(image.palette.palette)  # red, green, blue, red, ...
        return colours[0::3] == colours[1::3] == colours[2::3]
    return image.mode in ("1", "L", "LA")


def _require_one_size(
    encoded_images: Sequence[EncodedImage], headers: Sequence[ImageHeader], source: str
) -> tuple[int, int]:
    """Returns the height and width of all images."""
    sizes = [(header.height, header.width) for header in headers]
    odd = next((row for row, size in enumerate(sizes) if size != sizes[0]), None)
    if odd is not None:
        raise InputError(
            f"{source}: images of {len(set(sizes))} sizes: {encoded_images[0].location} has {_format_size(sizes[0])} "
            f"pixels and {encoded_images[odd].location} {_format_size(sizes[odd])}; give --image-size to resize all"
        )
    return sizes[0]


def _format_size(shape: tuple[int, ...]) -> str:
    """Returns `width x height` for a shape that begins with height and width."""
    return f"{shape[1]} x {shape[0]}"


def _decode_image(encoded_image: EncodedImage, grayscale: bool, image_size: int | None) -> UInt8[np.ndarray, "h w c"]:
    location, content = encoded_image
    encoded = content.read_bytes() if isinstance(content, Path) else content
    with _open_image(location, encoded) as image:
        if image.format == "PNG":
            image.verify()  # verifies checksums, which decoding does not
    with _open_image(location, encoded) as image:
        # `ImageOps.exif_transpose` would write all EXIF data again, which fails for tags that are not needed here.
        transpose = EXIF_TRANSPOSES.get(_orientation(image))
        upright: Image.Image = image if transpose is None else image.transpose(transpose)
        if upright.has_transparency_data:
            upright = upright.convert("RGBA")
            upright = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright)
        upright = upright.convert("L" if grayscale else "RGB")
        if image_size is not None:
            upright = upright.resize((image_size, image_size), Image.Resampling.BICUBIC)
        return np.asarray(upright).reshape(*upright.size[::-1], 1 if grayscale else 3)


def _map_threaded(function: Callable[[int], Result], encoded_images: Sequence[EncodedImage]) -> list[Result]:
    """Returns the results of a function of the row for every image.

    Raises:
        InputError: that of the first image that fails, with the locations of others.
    """
    n, errors = len(encoded_images), dict[int, InputError]()

    def call(row: int) -> Any:
        try:
            return function(row)
        except InputError as error:
            errors[row] = error

    tasks = [range(start, min(start + IMAGES_PER_TASK, n)) for start in range(0, n, IMAGES_PER_TASK)]
    with ThreadPoolExecutor() as pool:
        results = [result for part in pool.map(lambda task: [*map(call, task)], tasks) for result in part]
    if errors:
        first, *others = sorted(errors)
        named = [encoded_images[row].location for row in others[:MAX_LISTED_IMAGES]] + ["..."] * (
            len(others) > MAX_LISTED_IMAGES
        )
        more = f"; {len(others)} more cannot be used: {', '.join(named)}" if others else ""
        raise InputError(f"{errors[first]}{more}") from errors[first]
    return results
