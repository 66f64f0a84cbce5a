"""What the server does by itself in one step, in Lua. Called by digest; sent whole where the server does not know it.

A script takes frames apart as `cachelayer.backends.frame` lays them out: 32 bytes (magic and version in the first
three, flags in the fourth, the expiry from the thirteenth, the sizes of metadata and value from the twenty-fifth).
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec


class Script(msgspec.Struct, frozen=True):
    """A script and the digest that the server knows it by."""

    source: str
    digest: str

    def call(self, names: list[bytes], *words: bytes | int | str) -> tuple[bytes | int | str, ...]:
        """Return the command that runs it on the keys of these names."""
        return ("EVALSHA", self.digest, len(names), *names, *words)


def _script(source: str) -> Script:
    return Script(source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


def source_of(digest: str) -> str:
    """Return the source of one of our scripts by its digest."""
    return _ALL[digest].source


_UNFRAME: Final = r"""
local function text(name)
    local data = redis.pcall('GET', name)  -- another program's list or hash there is no value of ours
    return type(data) == 'string' and data or nil
end
local function unframe(data)
    if not data or #data < 32 or string.sub(data, 1, 3) ~= '\193F\1' then return nil end
    local metadata, value = struct.unpack('<I4I4', data, 25)
    if #data ~= 32 + metadata + value then return nil end
    return string.sub(data, 33 + metadata), string.sub(data, 33, 32 + metadata)
end
"""

#: KEYS: the target, then the names to compare. ARGV: data, milliseconds ("" for ever, "0": remove), and for each name
#: two words: what it is ("raw" or "framed", with a "-" after it where nothing is expected) and the expected value.
COMPARE_AND_SET: Final = _script(
    _UNFRAME
    + r"""
for at = 2, #KEYS do
    local form, expected = ARGV[at * 2 - 1], ARGV[at * 2]
    local held = text(KEYS[at])
    if string.sub(form, 1, 6) == 'framed' then held = unframe(held) end
    if string.sub(form, -1) == '-' then expected = nil end
    if held ~= expected then return 0 end
end
if ARGV[2] == '0' then
    redis.call('UNLINK', KEYS[1])
    return 0
end
if ARGV[2] == '' then redis.call('SET', KEYS[1], ARGV[1])
else redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
return 1
"""
)

#: KEYS: one name. ARGV: the expiry as the frame has it, milliseconds or "" for ever.
TOUCH: Final = _script(
    r"""
local head = redis.pcall('GETRANGE', KEYS[1], 0, 31)
if type(head) ~= 'string' or #head < 32 or string.sub(head, 1, 3) ~= '\193F\1' then return 0 end
local metadata, value = struct.unpack('<I4I4', head, 25)
if redis.call('STRLEN', KEYS[1]) ~= 32 + metadata + value then return 0 end
redis.call('SETRANGE', KEYS[1], 12, ARGV[1])
if ARGV[2] == '' then redis.call('PERSIST', KEYS[1]) else redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 1
"""
)

#: KEYS: one name, and one for the sum, which Redis itself counts: Lua's numbers are exact to 53 bits only.
#: ARGV: the delta, and the frame of a count that begins. Gives the digits, or 0: no integer, 1: beyond 64 bits.
INCR: Final = _script(
    _UNFRAME
    + r"""
local data = text(KEYS[1])
local value, metadata = unframe(data)
if not value then
    redis.call('SET', KEYS[1], ARGV[2])
    return ARGV[1]
end
local sign, digits = string.match(value, '^(-?)0*(%d+)$')
if not digits then return 0 end
redis.call('SET', KEYS[2], digits == '0' and '0' or sign .. digits)
local sum = redis.pcall('INCRBY', KEYS[2], ARGV[1])
local total = redis.call('GET', KEYS[2])
redis.call('DEL', KEYS[2])
if type(sum) == 'table' then return 1 end
local sizes = struct.pack('<I4I4I4', 0, #metadata, #total)
local framed = string.sub(data, 1, 3) .. '\1' .. string.sub(data, 5, 20) .. sizes .. metadata .. total
redis.call('SET', KEYS[1], framed, 'KEEPTTL')
return total
"""
)

#: KEYS: one name. ARGV: a never-used generation, milliseconds. Gives the generation that is there afterwards.
GENERATION: Final = _script(
    _UNFRAME
    + r"""
local held = text(KEYS[1])
if held then return held end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]
"""
)

#: KEYS: one name. ARGV: a never-used generation, where there is none; what softens it; milliseconds.
SOFTEN: Final = _script(
    _UNFRAME
    + r"""
local held = string.sub(text(KEYS[1]) or ARGV[1], 1, #ARGV[1])
redis.call('SET', KEYS[1], held .. ARGV[2], 'PX', ARGV[3])
return 1
"""
)

#: KEYS: one name. ARGV: the token of the one who gives the lease back.
RELEASE: Final = _script(
    _UNFRAME
    + r"""
if text(KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""
)

_ALL: Final = {
    script.digest: script for script in (COMPARE_AND_SET, TOUCH, INCR, GENERATION, SOFTEN, RELEASE)
}
