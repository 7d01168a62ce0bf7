"""Encoded images, PNG or JPEG, as one uint8 array: headers first, then pixels, both in parallel.

What becomes of images that are not plain grey or RGB: a palette is looked up; what is transparent is laid on white;
CMYK is converted without a colour profile; a camera's note of its orientation is obeyed; of the several pictures that
some cameras store in one JPEG file the first counts. Refused, because only their owner knows what is meant: 16 bits a
channel, and animations. PNG has checksums, and all are looked at; JPEG has none, so damage that leaves it decodable
cannot be told.
"""

import contextlib
import io
import math
import struct
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageFile, UnidentifiedImageError

from aejax.data.memory import format_bytes, require_host_memory
from aejax.errors import InputError, require

Item = TypeVar("Item")
Result = TypeVar("Result")

FORMATS = ("PNG", "JPEG")
MAX_FILE_BYTES = 1 << 30  # bytes; more than the largest image that is decoded takes without any compression
IMAGES_PER_TASK = 64  # images a thread takes at a time
ORIENTATION_TAG = 0x0112  # EXIF tag
EXIF_TRANSPOSES = {  # EXIF's orientations, all but the upright one
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
TRANSPOSED_ORIENTATIONS = (5, 6, 7, 8)  # those that exchange width and height
DECOMPRESSION_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)
DECODE_ERRORS = (
    AssertionError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    struct.error,
)  # what Pillow raises beside OSError


class EncodedImage(NamedTuple):
    """One encoded image."""

    location: str  # what messages call it
    content: Path | bytes


class ImageHeader(NamedTuple):
    """What an image says of itself before its pixels."""

    height: int
    width: int
    is_grayscale: bool

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of its pixels."""
        return (self.height, self.width, 1 if self.is_grayscale else 3)


def decode_images(
    encoded_images: Sequence[EncodedImage], source: str, image_size: int | None = None
) -> UInt8[np.ndarray, "n h w c"]:
    """All pictures, in their order: one channel if all of them are grey, else three.

    Args:
        pictures: at least one.
        source: what messages call all of them.
        image_size: resize to this many pixels square (bicubic, with antialiasing), whatever the proportions were;
            None: all must have one size.

    Raises:
        InputError: an image is damaged, of another format or too large, sizes differ, or memory cannot hold them.
    """
    layout = read_common_header(encoded_images, source, image_size)
    shape = (len(encoded_images), *layout.shape)
    by = _format_size((layout.height, layout.width))
    require_host_memory(math.prod(shape), f"{source}: {shape[0]} images of {by}, {shape[3]} byte(s) a pixel,")
    return decode_pixels(encoded_images, layout, image_size)


def read_common_header(
    encoded_images: Sequence[EncodedImage], source: str, image_size: int | None = None
) -> ImageHeader:
    """The one size that all pictures have, or are resized to, and whether all of them are grey; reads no pixels.

    Raises:
        InputError: as `decode`.
    """
    with _strict_warnings():
        headers = _map_threaded(read_header, encoded_images)
    height, width = (image_size, image_size) if image_size else _require_one_size(encoded_images, headers, source)
    return ImageHeader(height, width, all(header.is_grayscale for header in headers))


def decode_pixels(
    encoded_images: Sequence[EncodedImage], header: ImageHeader, image_size: int | None = None
) -> UInt8[np.ndarray, "n h w c"]:
    """The pixels of pictures whose size is known.

    Raises:
        InputError: as `decode`; or a picture has another size than `layout`.
    """
    images = np.empty((len(encoded_images), *header.shape), np.uint8)

    def fill(row: int) -> None:
        pixels = _decode_image(encoded_images[row], header.is_grayscale, image_size)
        require(
            pixels.shape == header.shape,
            f"{encoded_images[row].location}: is {_format_size(pixels.shape[:2])} pixels; expected {_format_size(header.shape[:2])} as the others "
            "are; give --image-size to resize all",
        )
        images[row] = pixels

    with _strict_warnings():
        _map_threaded(fill, range(len(encoded_images)))
    return images


@contextlib.contextmanager
def _strict_warnings() -> Iterator[None]:
    """Pillow's warnings of huge images are errors; those of unreadable notes beside the pixels are nobody's concern."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def read_header(encoded_image: EncodedImage) -> ImageHeader:
    """The size as it will be seen, and whether the image is stored without colour; reads no pixels.

    Raises:
        InputError: it is no PNG or JPEG image, or one that is refused.
    """
    if isinstance(encoded_image.content, Path):
        stored = encoded_image.content.stat().st_size
        require(
            stored <= MAX_FILE_BYTES,
            f"{encoded_image.location}: {format_bytes(stored)} are no single image; take it out",
        )
    with _open_image(encoded_image.location, encoded_image.content) as image:
        require(
            "16" not in str(image.tile[0].args),
            f"{encoded_image.location}: has 16 bits a channel; save it with 8, choosing the range to keep, or give the numbers "
            "as an .npz file",
        )
        require(
            image.format != "PNG" or not getattr(image, "is_animated", False),
            f"{encoded_image.location}: holds {getattr(image, 'n_frames', 1)} frames; save each as an image of its own",
        )
        width, height = image.size[::-1] if _orientation(image) in TRANSPOSED_ORIENTATIONS else image.size
        return ImageHeader(height, width, _is_grayscale_image(image))


@contextlib.contextmanager
def _open_image(location: str, content: Path | bytes) -> Iterator[ImageFile.ImageFile]:
    """The image of `content`, with everything that Pillow may find wrong about it as an `InputError`."""
    try:
        with Image.open(io.BytesIO(content) if isinstance(content, bytes) else content, formats=FORMATS) as image:
            yield image
    except DECOMPRESSION_BOMBS as error:
        limit = Image.MAX_IMAGE_PIXELS
        raise InputError(f"{location}: announces more than {limit} pixels, Pillow's limit; make it smaller") from error
    except UnidentifiedImageError as error:
        raise InputError(
            f"{location}: not an intact PNG or JPEG image; fetch or save it again, or take it out"
        ) from error
    except OSError as error:
        if error.errno is not None:
            raise InputError(f"{location}: cannot be read ({error.strerror}); check its permissions") from error
        raise InputError(_damage_message(location, error)) from error
    except DECODE_ERRORS as error:
        raise InputError(_damage_message(location, error)) from error


def _damage_message(location: str, error: Exception) -> str:
    return f"{location}: damaged ({' '.join(str(error).split())[:100]}); fetch or save it again, or take it out"


def _orientation(image: Image.Image) -> int:
    """EXIF's orientation, 1 for upright, from what stands before the pixels."""
    # Pillow would decode a whole PNG to look for EXIF behind its pixels.
    return 1 if image.format == "PNG" and "exif" not in image.info else image.getexif().get(ORIENTATION_TAG, 1)


def _is_grayscale_image(image: Image.Image) -> bool:
    if image.mode == "P" and image.palette is not None:
        colours = bytes(image.palette.palette)  # red, green, blue, red, ...
        return colours[0::3] == colours[1::3] == colours[2::3]
    return image.mode in ("1", "L", "LA")


def _require_one_size(
    encoded_images: Sequence[EncodedImage], headers: Sequence[ImageHeader], source: str
) -> tuple[int, int]:
    """Height and width of all."""
    sizes = [(header.height, header.width) for header in headers]
    (common, count), *others = Counter(sizes).most_common()
    if others:
        usual, odd = sizes.index(common), sizes.index(others[-1][0])
        raise InputError(
            f"{source}: images of {1 + len(others)} sizes: {encoded_images[usual].location} has {_format_size(common)} pixels, as "
            f"{count} of {len(sizes)} do, and {encoded_images[odd].location} {_format_size(sizes[odd])}; give --image-size to resize all"
        )
    return common


def _format_size(size: tuple[int, int]) -> str:
    """Width x height, as people say it."""
    return f"{size[1]} x {size[0]}"


def _decode_image(encoded_image: EncodedImage, grey: bool, image_size: int | None) -> UInt8[np.ndarray, "h w c"]:
    """One decoded image."""
    place, content = encoded_image
    encoded = content.read_bytes() if isinstance(content, Path) else content
    with _open_image(place, encoded) as image:
        if image.format == "PNG":
            image.verify()  # its checksums, which decoding alone does not look at
    with _open_image(place, encoded) as image:
        turn = EXIF_TRANSPOSES.get(_orientation(image))
        upright: Any = image
        if upright.has_transparency_data:
            upright = upright.convert("RGBA")
            upright = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright)
        upright = upright.convert("L" if grey else "RGB")
        if turn is not None:
            upright = upright.transpose(turn)
        if image_size is not None:
            upright = upright.resize((image_size, image_size), Image.Resampling.BICUBIC)
        return np.asarray(upright).reshape(*upright.size[::-1], 1 if grey else 3)


def _map_threaded(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """`function` of each item, in order; of several errors the one of the first item is raised."""
    chunks = [items[start : start + IMAGES_PER_TASK] for start in range(0, len(items), IMAGES_PER_TASK)]
    with ThreadPoolExecutor() as pool:
        return [result for results in pool.map(lambda chunk: [*map(function, chunk)], chunks) for result in results]
