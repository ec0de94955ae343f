"""Ways in which image files get damaged: on disks, in transfers, by programs. Each takes a file's bytes and a dice."""
import random
import struct
import zlib
from collections.abc import Callable, Iterator

PNG_START = b'\x89PNG\r\n\x1a\n'
BLOCK = 512  # bytes, a disk's


def cut(data: bytes, dice: random.Random) -> bytes:
    return data[:dice.randrange(len(data))]


def cut_at_a_part(data: bytes, dice: random.Random) -> bytes:
    """Cut between the chunks of a PNG, or before a marker of a JPEG."""
    if data.startswith(PNG_START):
        ends = [end for _, _, end in png_parts(data)][:-1]
        return data[:dice.choice(ends)]
    places = [i for i in range(2, len(data) - 2) if data[i] == 0xFF and data[i + 1] not in (0, 0xFF)]
    return data[:dice.choice(places)]


def bit(data: bytes, dice: random.Random) -> bytes:
    changed = bytearray(data)
    changed[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def ten_bytes(data: bytes, dice: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(10):
        changed[dice.randrange(len(data))] = dice.randrange(256)
    return bytes(changed)


def first_bytes(data: bytes, dice: random.Random) -> bytes:
    """Wrong bytes where the size and the tables stand."""
    changed = bytearray(data)
    for _ in range(dice.randrange(1, 4)):
        changed[dice.randrange(min(len(data), 200))] = dice.randrange(256)
    return bytes(changed)


def zeros(data: bytes, dice: random.Random) -> bytes:
    """A block that was never written."""
    at = dice.randrange(max(len(data) // BLOCK, 1)) * BLOCK
    return data[:at] + bytes(len(data[at:at + BLOCK])) + data[at + BLOCK:]


def zeros_to_the_end(data: bytes, dice: random.Random) -> bytes:
    """Blocks that were never written, as after a power failure."""
    at = dice.randrange(len(data))
    return data[:at] + bytes(len(data) - at)


def swap(data: bytes, dice: random.Random) -> bytes:
    size = min(BLOCK, len(data) // 3)
    a, b = sorted(dice.sample(range(len(data) - size), 2))
    b = max(b, a + size)
    return data[:a] + data[b:b + size] + data[a + size:b] + data[a:a + size] + data[b + size:]


def insert(data: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(data))
    return data[:at] + dice.randbytes(dice.randrange(1, 2 * BLOCK)) + data[at:]


def missing_bytes(data: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(data))
    return data[:at] + data[at + dice.randrange(1, BLOCK):]


def text_mode(data: bytes, dice: random.Random) -> bytes:
    """What a transfer in text mode makes of line ends."""
    return data.replace(b'\n', b'\r\n') if dice.random() < 0.5 else data.replace(b'\r\n', b'\n')


def more_at_the_end(data: bytes, dice: random.Random) -> bytes:
    """Harmless."""
    return data + dice.randbytes(dice.randrange(1, 2 * BLOCK))


def few_bytes(data: bytes, dice: random.Random) -> bytes:
    """0 to 20 bytes, of the file's start or of nothing."""
    count = dice.randrange(21)
    return data[:count] if dice.random() < 0.5 else dice.randbytes(count)


def other_start(data: bytes, dice: random.Random) -> bytes:
    """The start of another format."""
    start = dice.choice([PNG_START, b'\xff\xd8\xff\xe0', b'BM', b'II*\0', b'MM\0*', b'RIFF\0\0\0\0WEBP', b'GIF89a'])
    return start + data[len(start):]


def huge(data: bytes, dice: random.Random) -> bytes:
    """A header that promises up to 100,000 x 100,000 pixels, its checksum right."""
    size = dice.choice([100_000, 65_500, 30_000])
    changed = bytearray(data)
    if data.startswith(PNG_START):
        changed[16:24] = struct.pack('>II', size, size)
        return with_right_checksums(bytes(changed))
    at = jpeg_frame(data)
    changed[at + 5:at + 9] = struct.pack('>HH', min(size, 65_500), min(size, 65_500))
    return bytes(changed)


def wrong_size(data: bytes, dice: random.Random) -> bytes:
    """Another width or height in the header, its checksum right."""
    new = dice.choice([0, 1, dice.randrange(2, 2000)])
    changed = bytearray(data)
    if data.startswith(PNG_START):
        at = dice.choice([16, 20])
        changed[at:at + 4] = struct.pack('>I', new)
        return with_right_checksums(bytes(changed))
    at = jpeg_frame(data) + dice.choice([5, 7])
    changed[at:at + 2] = struct.pack('>H', new)
    return bytes(changed)


def tables(data: bytes, dice: random.Random) -> bytes:
    """A JPEG's Huffman or quantisation tables, or a PNG's checksum of any part."""
    changed = bytearray(data)
    if data.startswith(PNG_START):
        _, _, end = dice.choice(png_parts(data))
        changed[end - 1 - dice.randrange(4)] ^= 1 << dice.randrange(8)
        return bytes(changed)
    places = [i for i in range(2, jpeg_scan(data)) if data[i] == 0xFF and data[i + 1] in (0xC4, 0xDB)]
    at = dice.choice(places) + 4
    for _ in range(5):
        changed[at + dice.randrange(40)] = dice.randrange(256)
    return bytes(changed)


def pixels_with_right_checksums(data: bytes, dice: random.Random) -> bytes:
    """Wrong pixels behind checksums that are right: a PNG from a faulty program. In a JPEG: damage in the scan."""
    changed = bytearray(data)
    if data.startswith(PNG_START):
        _, start, end = dice.choice([part for part in png_parts(data) if part[0] == b'IDAT'])
        for _ in range(3):
            changed[dice.randrange(start, end - 4)] = dice.randrange(256)
        return with_right_checksums(bytes(changed))
    changed[dice.randrange(jpeg_scan(data), len(data) - 2)] = dice.randrange(256)
    return bytes(changed)


def exif(data: bytes, dice: random.Random) -> bytes:
    """An EXIF part of wrong bytes; in a PNG any other part that readers may skip."""
    body = b'Exif\0\0' + dice.choice([b'II*\0', b'MM\0*']) + dice.randbytes(dice.randrange(60))
    if data.startswith(PNG_START):
        part = b'eXIf' + body
        return data[:33] + struct.pack('>I', len(body)) + part + struct.pack('>I', zlib.crc32(part)) + data[33:]
    return data[:2] + b'\xff\xe1' + struct.pack('>H', len(body) + 2) + body + data[2:]


KINDS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    'cut at a random place': cut, 'cut between two parts': cut_at_a_part, 'one bit flipped': bit,
    'ten bytes wrong': ten_bytes, 'wrong bytes in the header': first_bytes, 'a block of zeros': zeros,
    'zeros to the end': zeros_to_the_end, 'two blocks swapped': swap, 'bytes put in': insert,
    'bytes missing': missing_bytes, 'transferred as text': text_mode, 'more bytes behind the end': more_at_the_end,
    '0 to 20 bytes': few_bytes, 'start of another format': other_start, 'huge size in the header': huge,
    'another size in the header': wrong_size, 'JPEG tables or PNG checksums': tables,
    'pixels only, checksums right': pixels_with_right_checksums, 'wrong EXIF': exif}


def copies(originals: list[bytes], number: int, seed: int) -> Iterator[tuple[int, str, bytes]]:
    """The index of an original, a kind of damage, and the damaged bytes; all kinds in turn, seeded."""
    for k in range(number):
        dice = random.Random(f'{seed} {k}')
        kind = list(KINDS)[k % len(KINDS)]
        which = dice.randrange(len(originals))
        yield which, kind, KINDS[kind](originals[which], dice)


def png_parts(data: bytes) -> list[tuple[bytes, int, int]]:
    """Kind, start of the body, and end (behind the checksum) of each chunk of a whole PNG."""
    parts, at = [], 8
    while at < len(data):
        end = at + 12 + int.from_bytes(data[at:at + 4], 'big')
        parts.append((data[at + 4:at + 8], at + 8, end))
        at = end
    return parts


def with_right_checksums(data: bytes) -> bytes:
    """A PNG whose chunks have the checksums of what is in them."""
    changed = bytearray(data)
    for _, start, end in png_parts(data):
        changed[end - 4:end] = struct.pack('>I', zlib.crc32(data[start - 4:end - 4]))
    return bytes(changed)


def jpeg_frame(data: bytes) -> int:
    """Where the frame header of a whole JPEG stands."""
    at = 2
    while data[at + 1] not in (0xC0, 0xC1, 0xC2):
        at += 2 + int.from_bytes(data[at + 2:at + 4], 'big')
    return at


def jpeg_scan(data: bytes) -> int:
    """Where the pixels of a whole JPEG begin."""
    at = jpeg_frame(data)
    while data[at + 1] != 0xDA:
        at += 2 + int.from_bytes(data[at + 2:at + 4], 'big')
    return at + 2 + int.from_bytes(data[at + 2:at + 4], 'big')
