"""Fifty hostile bodies of any size: what somebody may send to keep a service busy."""

from appeals.api.request_body import MAX_COMBINING_MARKS, MAX_NAME_LENGTH, MAX_UNKNOWN_NAMES, MAX_VALUES

MARKS, ORDERED = "\u0301\u0316", "\u0316\u0301"
"""Two combining marks, out of order and in order."""
ITEMS = MAX_VALUES - 10


def listed(item: str, times: int) -> str:
    """A list of one item many times."""
    return "[" + ",".join([item] * times) + "]"


def members(name: str, times: int) -> str:
    """An object of many members; the name says where their number stands."""
    return "{" + ",".join(f'"{name % number}":1' for number in range(times)) + "}"


def nested(opening: str, closing: str, depth: int, inner: str = "1") -> str:
    """One value within many."""
    return opening * depth + inner + closing * depth


def shapes(size: int) -> dict[str, str]:
    """The bodies by what they are, most of them about so many bytes."""

    def full(item: str) -> str:
        return listed(item, size // (len(item.encode()) + 1))

    def many(name: str) -> str:
        return members(name, size // 16)

    def long(unit: str) -> str:
        return '"' + unit * (size // len(unit.encode())) + '"'

    return {
        "a long name before a long list": f'{{"{"😀" + "k" * (size // 2)}":{listed("1", size // 8)}}}',
        "a long ASCII name before a long list": f'{{"{"k" * (size // 2)}":{listed("1", size // 8)}}}',
        "a long name before long lists": f'{{"{"k" * (size // 2)}":{listed(listed("1", 100), size // 800)}}}',
        "long names within each other": nested(f'{{"{"k" * (size // 40)}":', "}", 30, listed("1", size // 8)),
        "ones": full("1"),
        "ones within the bounds": listed("1", ITEMS),
        "lists": full("[]"),
        "lists within the bounds": listed("[]", ITEMS),
        "lists of one": listed("[1]", ITEMS // 2),
        "lists of lists": listed("[[]]", ITEMS // 2),
        "objects": full("{}"),
        "objects within the bounds": listed("{}", ITEMS),
        "objects of one": listed('{"code":1}', ITEMS // 2),
        "objects of one unknown": listed('{"a":1}', MAX_UNKNOWN_NAMES),
        "empty texts": full('""'),
        "empty texts within the bounds": listed('""', ITEMS),
        "short texts": full('"a"'),
        "short texts of another script": listed('"শ্র"', ITEMS),
        "forbidden characters": full('"\\u0000"'),
        "forbidden characters at the end": listed('"aaaaaaaaaaa"', ITEMS)[:-1] + ',"\\u0000"]',
        "forbidden names": full('{"\\u0000":1}'),
        "forbidden names within the bounds": listed('{"\\u0000":1}', MAX_UNKNOWN_NAMES),
        "lone surrogates": full('"\\ud800"'),
        "one text": long("k"),
        "one text of another script": long("ক"),
        "one text of emoji": long("😀"),
        "one text of escapes": long("\\u0985"),
        "one text of line feeds": long("\\n"),
        "one text of quotes": long('\\"'),
        "one text of backslashes": long("\\\\"),
        "a text without an end": '"' + "k" * size,
        "quotes without an end": '"' + '\\"' * (size // 2),
        "marks in a row": long(MARKS),
        "marks in order": long(ORDERED),
        "marks up to the bound": long("a" + MARKS * (MAX_COMBINING_MARKS // 2)),
        "marks as escapes": long("a" + "\\u0301\\u0316" * (MAX_COMBINING_MARKS // 2)),
        "unknown members": many("u%d"),
        "unknown members within the bounds": members("u%d", MAX_UNKNOWN_NAMES),
        "unknown members in many objects": listed(members("u%d", 50), size // 800),
        "long unknown names": members("%099d", MAX_UNKNOWN_NAMES),
        "names that are too long": members("k" * (MAX_NAME_LENGTH + 1) + "%d", size // 120),
        "one member again and again": "{" + ",".join(['"a":1'] * (size // 6)) + "}",
        "a member twice at the end": many("u%d")[:-1] + ',"u1":1}',
        "openings": "[" * size,
        "openings of objects": '{"a":' * (size // 5),
        "as deep as it goes": listed(nested("[", "]", 30), ITEMS // 31),
        "objects as deep as it goes": listed(nested('{"code":', "}", 30), ITEMS // 31),
        "a little too deep": nested("[", "]", 40),
        "long numbers": full("9" * 4000),
        "long fractions": full("0." + "1" * 4000),
        "large exponents": listed("1e308", ITEMS),
        "spaces": "[" + " " * size + "]",
        "a list without an end": full("1")[:-1],
        "commas": "[" + "," * size,
    }
