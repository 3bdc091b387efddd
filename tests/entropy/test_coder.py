"""Symbols to bytes and back; the bytes are those of integer arithmetic with the stored frequencies."""

import constriction
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.rangecoder import RangeDecoder, RangeEncoder, cumulative

from aecodec.entropy.coder import ESCAPE_BITS, TileDecoder, encode_tile, symbol_bits
from aecodec.entropy.tables import Tables, coder_table
from aecodec.errors import CorruptError, ModelError

TOTAL = 1 << 24
Z, M = 3, 32
COARSE = np.isin(np.arange(M), (2, 3, 17, 24, 31))
KNOTS = 2
BEYOND = (1 << ESCAPE_BITS) - 1  # the furthest that the escape code reaches beyond a table
BIT = [0, TOTAL // 2, TOTAL]


def frequencies(rng: np.random.Generator, count: int, steep: float) -> np.ndarray:
    """Random frequencies; the steeper, the more of them are 1."""
    weight = rng.random(count) ** steep
    f = 1 + np.floor(weight / weight.sum() * (TOTAL - count)).astype(np.int64)
    f[f.argmax()] += TOTAL - f.sum()
    return f.astype(np.uint32)


def make_tables() -> Tables:
    rng = np.random.default_rng(1)
    z = np.stack([[frequencies(rng, 127, 8) for _ in range(Z)] for _ in range(KNOTS)])
    sizes = [2 * min(1 + i // 4 * i, 255) + 2 for i in range(63)]
    return Tables(z, [[frequencies(rng, n, 1 + i % 30) for i, n in enumerate(sizes)] for _ in range(KNOTS)], COARSE)


TABLES = make_tables()


def symbols(seed: int, height: int, width: int, wild: float):
    """z, r, scale indexes of a tile; a share `wild` of r lies anywhere within the escape code's reach."""
    rng = np.random.default_rng(seed)
    z = rng.integers(-63, 64, (-(-height // 4), -(-width // 4), Z))
    index = rng.integers(0, 64, (height, width, M)).astype(np.uint8)
    index[rng.random(index.shape) < rng.random()] = 0
    reach = TABLES.reach[index]
    r = rng.integers(-reach, reach + 1)
    sign = rng.choice([-1, 1], r.shape)
    beyond = (sign * (reach + 2 ** rng.uniform(0, 16, r.shape))).astype(int)
    r = np.where(rng.random(r.shape) < wild, np.clip(beyond, -reach - BEYOND, reach + BEYOND), r)
    r[index == 0] = 0
    return z, r, index


def encode_in_integers(z, r, index, knot) -> bytes:
    """FORMAT.md section 8.3, symbol by symbol."""
    coder = RangeEncoder()
    for c in range(Z):
        table = cumulative(TABLES.z[knot, c].tolist())
        for value in z[..., c].ravel().tolist():
            coder.encode(value + 63, table)
    for part in (COARSE, ~COARSE):
        escaped = []
        for i in range(1, 64):
            table, reach = cumulative(TABLES.r[knot][i - 1].tolist()), int(TABLES.reach[i])
            for value in r[(index == i) & part].tolist():
                if abs(value) <= reach:
                    coder.encode(value + reach, table)
                else:
                    coder.encode(2 * reach + 1, table)
                    escaped.append((f"{abs(value) - reach:b}"[1:], value < 0))
        for plane in range(15):
            for digits, _ in escaped:
                if len(digits) >= plane:
                    coder.encode(int(len(digits) > plane), BIT)
        for plane in reversed(range(15)):
            for digits, _ in escaped:
                if len(digits) > plane:
                    coder.encode(int(digits[-1 - plane]), BIT)
        for _, negative in escaped:
            coder.encode(int(negative), BIT)
    return coder.finish()


def decode(data: bytes, shape: tuple[int, ...], index: np.ndarray, knot: int):
    coder = TileDecoder(data, TABLES.at(knot))
    return coder.z(*shape[:2]), coder.r(index)


# Round trips


@settings(max_examples=80, deadline=None)
@given(
    st.integers(0, 2**32),
    st.integers(1, 16),
    st.integers(1, 16),
    st.sampled_from([0, 0.01, 0.5, 1]),
    st.integers(0, KNOTS - 1),
)
def test_round_trip_and_bytes(seed, height, width, wild, knot):
    z, r, index = symbols(seed, height, width, wild)
    data = encode_tile(z, r, index, TABLES.at(knot))
    assert data == encode_in_integers(z, r, index, knot)
    found_z, found_r = decode(data, z.shape, index, knot)
    np.testing.assert_array_equal(found_z, z)
    np.testing.assert_array_equal(found_r, r)
    assert found_z.dtype == np.int8
    assert found_r.dtype == np.int32


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 16), st.integers(1, 16), st.sampled_from([0, 0.01, 0.5, 1]))
def test_coarse_channels_are_decoded_without_the_others(seed, height, width, wild):
    z, r, index = symbols(seed, height, width, wild)
    coder = TileDecoder(encode_tile(z, r, index, TABLES.at(0)), TABLES.at(0))
    np.testing.assert_array_equal(coder.z(*z.shape[:2]), z)
    found = coder.coarse_r(index[..., COARSE])
    np.testing.assert_array_equal(found, r[..., COARSE])
    assert found.dtype == np.int32


@pytest.mark.parametrize(
    ("values", "data"),
    [
        ([-63], ""),
        ([-63] * 50, ""),
        ([-62], "00 00 80"),
        ([-61], "00 00 00 01"),
        ([-60], "00 00 80 01"),
        ([63], "00 00 00 80"),
        ([-62, -62], "00 40 80"),
    ],
)
def test_bytes_worked_out_by_hand(values, data):
    """Symbol n has n * 2^15 below it, so its range starts at n * 2^15 * (2^40 - 1); that of the last one near 2^63."""
    f = np.full((1, 1, 127), 1 << 15, np.uint32)
    f[0, 0, 125:] = (1 << 23) - 125 * (1 << 15), 1 << 23
    tables = Tables(f, TABLES.r[:1], COARSE)
    z = np.array(values).reshape(1, -1, 1)
    nothing = np.zeros((1, 1, M), np.uint8)
    assert encode_tile(z, nothing, nothing, tables.at(0)) == bytes.fromhex(data)
    np.testing.assert_array_equal(TileDecoder(bytes.fromhex(data), tables.at(0)).z(*z.shape[:2]), z)


def test_where_the_index_is_zero_nothing_is_coded():
    z, r, index = symbols(5, 16, 16, 0.1)
    sparse = encode_tile(z, np.zeros_like(r), np.zeros_like(index), TABLES.at(0))
    alone = encode_tile(z, np.zeros((1, 1, M), int), np.zeros((1, 1, M), np.uint8), TABLES.at(0))
    assert sparse == alone
    _, found = decode(encode_tile(z, r, index, TABLES.at(0)), z.shape, index, 0)
    assert not found[index == 0].any()
    assert found[index > 0].any()


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("kind", [1, 20, 63])
def test_escape_code_at_its_ends(kind, sign):
    """Every length of the Exp-Golomb code, its least and its greatest value."""
    e = np.array([v for n in range(ESCAPE_BITS) for v in (1 << n, (2 << n) - 1)])
    reach = int(TABLES.reach[kind])
    r = (sign * (reach + e)).reshape(1, 1, M)
    assert np.abs(r).max() == reach + BEYOND
    index = np.full(r.shape, kind, np.uint8)
    z = np.zeros((1, 1, Z), int)
    data = encode_tile(z, r, index, TABLES.at(1))
    assert data == encode_in_integers(z, r, index, 1)
    np.testing.assert_array_equal(decode(data, z.shape, index, 1)[1], r)


@pytest.mark.parametrize("wild", [0, 0.01, 0.5, 1])
def test_bits_of_symbols_are_those_of_the_bytes(wild):
    z, r, index = symbols(3, 16, 16, wild)
    z_bits, r_bits = symbol_bits(z, r, index, TABLES.at(0))
    assert (z_bits.shape, r_bits.shape) == (z.shape, r.shape)
    assert (r_bits[index == 0] == 0).all()
    size = 8 * len(encode_tile(z, r, index, TABLES.at(0)))
    assert z_bits.sum() + r_bits.sum() == pytest.approx(size, abs=40)


def test_escape_code_costs_what_it_says():
    """n + 1 bits, n bits and a sign for a value of n bits after the leading one; one bit less where n is 15."""
    z, index = np.zeros((1, 1, Z), int), np.full((16, 16, M), 30, np.uint8)
    reach, count = int(TABLES.reach[30]), index.size
    escape = -np.log2(TABLES.r[0][29][-1] / TOTAL)
    for n in (0, 7, 15):
        data = encode_tile(z, np.full(index.shape, -reach - (1 << n)), index, TABLES.at(0))
        expected = count * (escape + (2 * n + 2 if n < 15 else 2 * n + 1))
        assert 8 * len(data) == pytest.approx(expected, rel=0.001, abs=100)


@pytest.mark.parametrize("value", [-1, 1])
def test_a_residual_beyond_the_escape_code_is_refused(value):
    index = np.full((1, 1, M), 63, np.uint8)
    r = np.full(index.shape, value * (int(TABLES.reach[63]) + BEYOND + 1))
    with pytest.raises(ValueError, match=r"^residual -?\d+ is beyond the escape code$"):
        encode_tile(np.zeros((1, 1, Z), int), r, index, TABLES.at(0))


# The stored frequencies, exactly


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 512), st.integers(0, 40))
def test_constriction_codes_the_stored_frequencies(seed, count, steep):
    rng = np.random.default_rng(seed)
    f = frequencies(rng, count, steep)
    drawn = np.concatenate([np.arange(count), rng.choice(count, 100, p=f / TOTAL)]).astype(np.int32)
    coder = constriction.stream.queue.RangeEncoder()
    coder.encode(drawn, coder_table(f))
    words = coder.get_compressed()

    exact, table = RangeEncoder(), cumulative(f.tolist())
    for symbol in drawn.tolist():
        exact.encode(symbol, table)
    data = words.astype("<u4").tobytes()
    assert exact.finish() == data.rstrip(b"\0")
    decoder = RangeDecoder(data.rstrip(b"\0"))
    assert [decoder.decode(table) for _ in drawn] == drawn.tolist()
    decoder.end()


@pytest.mark.parametrize("symbol", [0, 63, 126])
def test_the_greatest_and_the_least_frequency(symbol):
    """A table of ones but for one symbol: the ones cost 24 bits, the other almost nothing."""
    f = np.ones(127, np.uint32)
    f[symbol] = TOTAL - 126
    coder = constriction.stream.queue.RangeEncoder()
    coder.encode(np.full(10_000, symbol, np.int32), coder_table(f))
    assert coder.num_bits() <= 64
    others = np.array([s for s in range(127) if s != symbol], np.int32)
    coder.encode(others, coder_table(f))
    assert coder.num_bits() == pytest.approx(24 * 126, abs=64)
    words = coder.get_compressed()
    decoder, table = RangeDecoder(words.astype("<u4").tobytes().rstrip(b"\0")), cumulative(f.tolist())
    assert [decoder.decode(table) for _ in range(10_126)] == [symbol] * 10_000 + others.tolist()


# Zero bytes at the end, damage


@pytest.mark.parametrize("seed", range(10))
def test_zero_bytes_at_the_end_are_dropped(seed):
    z, r, index = symbols(seed, 1 + seed, 3, 0.1)
    data = encode_tile(z, r, index, TABLES.at(0))
    assert not data.endswith(b"\0")
    np.testing.assert_array_equal(decode(data, z.shape, index, 0)[1], r)
    for more in (1, 4):
        with pytest.raises(CorruptError, match=r"^bitstream: ends with a zero byte"):
            decode(data + bytes(more), z.shape, index, 0)


def checked(data: bytes, shape, index) -> bool:
    """Whether the data decode; assert that nothing but symbols in their ranges or CorruptError comes of them."""
    try:
        z, r = decode(data, shape, index, 0)
    except CorruptError:
        return False
    assert z.shape == shape
    assert r.shape == index.shape
    assert np.abs(z.astype(int)).max() <= 63
    assert (np.abs(r) <= np.where(index > 0, TABLES.reach[index] + BEYOND, 0)).all()
    return True


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400), st.integers(0, 20))
def test_any_bytes_give_symbols_or_a_corrupt_error(data, seed):
    z, _, index = symbols(seed, 4, 5, 0)
    checked(data, z.shape, index)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 20), st.data())
def test_damage_gives_symbols_or_a_corrupt_error(seed, draw):
    z, r, index = symbols(seed, 4, 5, 0.2)
    data = bytearray(encode_tile(z, r, index, TABLES.at(0)))
    for _ in range(draw.draw(st.integers(1, 3))):
        data[draw.draw(st.integers(0, len(data) - 1))] ^= draw.draw(st.integers(1, 255))
    checked(bytes(data), z.shape, index)
    checked(bytes(data[: draw.draw(st.integers(0, len(data)))]), z.shape, index)


@pytest.mark.parametrize("more", [b"\x01", bytes(11) + b"\x01", b"\xff" * 400])
def test_data_after_the_last_symbol_are_refused(more):
    z, r, index = symbols(2, 4, 5, 0.2)
    data = encode_tile(z, r, index, TABLES.at(0))
    padded = data + bytes(-len(data) % 4)
    assert checked(data, z.shape, index)
    assert not checked(padded + bytes(4) + more, z.shape, index)


def test_data_beyond_the_last_symbol_of_a_table_are_refused():
    """The coder divides its range by 2^24 and leaves a rest, which no symbol uses."""
    z, _, index = symbols(2, 4, 5, 0)
    with pytest.raises(CorruptError, match=r"^bitstream: "):
        decode(b"\xff" * 40, z.shape, index, 0)


# Tables


def altered(change):
    z, r = TABLES.z.copy(), [[table.copy() for table in row] for row in TABLES.r]
    change(z, r)
    return z, r


def _move_one_unit(z, r):
    r[1][10][0] += 1


def _zero(z, r):
    z[0, 0, z[0, 0].argmax()] += z[0, 0, 5]
    z[0, 0, 5] = 0


def _other_type(z, r):
    r[0][3] = r[0][3].astype(np.int64)


def _odd_size(z, r):
    r[1][3] = np.append(r[1][3][:-2], r[1][3][-2:].sum(dtype=np.uint32))


def _other_sizes(z, r):
    r[1][3], r[1][4] = r[1][40], r[1][41]


@pytest.mark.parametrize("change", [_move_one_unit, _zero, _other_type, _odd_size, _other_sizes])
def test_bad_tables_are_refused(change):
    with pytest.raises(ModelError, match=r"^tables: "):
        Tables(*altered(change), COARSE)


def test_residuals_have_a_row_of_tables_for_each_knot_or_one_for_all():
    with pytest.raises(ModelError, match=r"^tables: unexpected number of tables$"):
        Tables(TABLES.z, TABLES.r[:1] * (KNOTS + 1), COARSE)
    z, r, index = symbols(8, 4, 4, 0)
    single = Tables(TABLES.z, TABLES.r[1:2], COARSE)
    assert encode_tile(z, r, index, single.at(1)) == encode_tile(z, r, index, TABLES.at(1))
    assert encode_tile(z, r, index, single.at(0)) != encode_tile(z, r, index, TABLES.at(0))


def test_tables_of_z_with_another_number_of_symbols_are_refused():
    z = np.full((1, 1, 128), TOTAL // 128, np.uint32)
    with pytest.raises(ModelError, match=r"^tables: unexpected number of symbols$"):
        Tables(z, TABLES.r, COARSE)


def test_reach_of_a_table():
    """4 symbols are -1, 0, 1 and the escape; index 0 reaches nowhere."""
    narrow, wide = np.full(4, TOTAL // 4, np.uint32), np.full(512, TOTAL // 512, np.uint32)
    tables = Tables(TABLES.z, [[narrow] * 62 + [wide]], COARSE)
    assert tables.reach.tolist() == [0] + [1] * 62 + [255]
