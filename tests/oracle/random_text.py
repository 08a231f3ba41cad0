"""Random valid strings that are hard on a tokenizer: a fixed seed, code points assigned in Unicode 13 only."""

import random
from pathlib import Path

_SCRIPTS = [  # ranges of one script each
    (0x61, 0x7A), (0x41, 0x5A), (0xC0, 0x24F), (0x250, 0x2AF), (0x370, 0x3FF), (0x400, 0x52F), (0x531, 0x58F),
    (0x590, 0x5F4), (0x600, 0x6FF), (0x700, 0x74F), (0x900, 0x97F), (0x980, 0x9FF), (0xB80, 0xBFF), (0xE00, 0xE5B),
    (0xF00, 0xFDA), (0x1000, 0x109F), (0x10A0, 0x10FF), (0x1200, 0x139F), (0x13A0, 0x13FD), (0x1780, 0x17F9),
    (0x1800, 0x18AA), (0x1C90, 0x1CBF), (0x1E00, 0x1EFF), (0x1F00, 0x1FFE), (0x2C00, 0x2C5F), (0x2D30, 0x2D7F),
    (0x3040, 0x30FF), (0x3100, 0x312F), (0x3400, 0x4DBF), (0x4E00, 0x9FFC), (0xA000, 0xA48C), (0xAC00, 0xD7A3),
    (0xF900, 0xFAD9), (0xFB00, 0xFB06), (0xFB1D, 0xFB4F), (0xFE70, 0xFEFC), (0xFF21, 0xFF9F), (0x10330, 0x1034A),
    (0x10400, 0x1044F), (0x12000, 0x12399), (0x16800, 0x16A38), (0x1D400, 0x1D7CB), (0x20000, 0x2A6DD),
    (0x2F800, 0x2FA1D),
]
_DIGITS = [(0x30, 0x39), (0x660, 0x669), (0x6F0, 0x6F9), (0x966, 0x96F), (0xE50, 0xE59), (0xFF10, 0xFF19),
           (0x2070, 0x2079), (0x2150, 0x2188), (0x2460, 0x249B), (0x3021, 0x3029), (0x1D7CE, 0x1D7FF)]
_MARKS = [(0x300, 0x36F), (0x483, 0x489), (0x591, 0x5C7), (0x610, 0x61A), (0x64B, 0x65F), (0x93A, 0x94D),
          (0xE31, 0xE3A), (0x1AB0, 0x1AC0), (0x1DC0, 0x1DF9), (0x20D0, 0x20F0), (0x302A, 0x302F), (0x3099, 0x309A),
          (0xFE20, 0xFE2F), (0x1D165, 0x1D169)]
_EMOJI = [(0x1F300, 0x1F5FF), (0x1F600, 0x1F64F), (0x1F680, 0x1F6C5), (0x1F900, 0x1F978), (0x2600, 0x27BF),
          (0x1FA70, 0x1FA74), (0x2190, 0x21FF)]
_SYMBOLS = [(0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E), (0xA1, 0xBF), (0x2010, 0x2027), (0x2030, 0x205E),
            (0x20A0, 0x20BF), (0x2100, 0x214F), (0x2200, 0x22FF), (0x2500, 0x257F), (0x3001, 0x303F), (0xFF01, 0xFF0F)]
_JAMO = [(0x1100, 0x1112), (0x1161, 0x1175), (0x11A8, 0x11C2)]

_SPACES = [" ", " ", " ", "  ", "\t", "\n", "\n", "\r\n", "\r", "\v", "\f", "\x85", "\xa0", "\u1680", "\u2003",
           "\u2009", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000"]
_CONTROLS = [chr(c) for c in range(1, 0x20)] + [chr(c) for c in range(0x7F, 0xA0)] + list(
    "\u00ad\u034f\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202e\u2060\u2066\u2069\ufeff\ufff9\ufffc\ufffd")
_CONTRACTIONS = ["'s", "'S", "'t", "'RE", "'re", "'Ve", "'m", "'LL", "'ll", "'D", "\u2019s", "'\u017f", "'\u212a",
                 "''s", "'sx", "'lL", "' s", "n't", "I'm", "we'd've"]
_CODE = ["int main(void) {\n\treturn 0;\n}\n", "for (size_t i = 0; i < n; ++i) sum += x[i];", "    def f(self, *a):\n",
         "x = {'a': [1, 2.50, -3e-7], \"b\": None}", "<div class=\"c\">&amp;</div>", "SELECT * FROM t WHERE id>=10;",
         "https://example.org/a?b=c&d=%20e#f", "a->b.c::d(e);", "#include <stdio.h>\r\n", "\\n\\t\\u00e9", "0x7fFF_u64",
         "if(!x){;}//==", "$HOME/.cache/*.txt | grep -v '^#'", "_snake_case camelCase SCREAMING_CASE", "\n\n\n```c\n"]
_ZWJ_EMOJI = ["👩‍💻", "👨‍👩‍👧‍👦", "🏳️‍🌈", "❤️‍🔥", "👍🏽", "🇩🇪🇯🇵🇺", "1️⃣", "#️⃣", "☺︎", "☺️", "🧑🏿‍🚀", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"]
_COMPOSED = [  # what NFC composes, reorders, replaces or leaves alone
    "\u00e9", "e\u0301", "A\u030a", "\u212b", "\u2126", "\u01d6", "u\u0308\u0304", "q\u0323\u0307", "q\u0307\u0323",
    "\ufb03", "\ud55c", "\u1112\u1161\u11ab", "\uac00\u11a8", "\uac01\u11a8", "\u0958", "\u0915\u093c", "\u0344",
    "\u0340", "\u0387", "\u2329", "\u1e9b\u0323", "\u304c", "\u304b\u3099", "\u0b92\u0bd7", "\U0001d15e", "\ufb1d",
]


def strings(n, specials, seed=20240917):
    """n strings; specials are the texts of the tokenizer's added tokens."""
    generator = random.Random(seed)
    makers, weights = zip(*_makers(generator, specials))
    out = []
    for _ in range(n):
        parts = generator.choices(makers, weights, k=generator.randint(1, 9))
        glue = generator.choice(["", "", " "])
        out.append(glue.join(make() for make in parts))
    return out


def assigned():
    """All code points assigned in Unicode 13 as a list of ranges."""
    lines = (Path(__file__).parent / "unicode13.txt").read_text().splitlines()
    words = (word for line in lines if not line.startswith("#") for word in line.split())
    return [(int(word.split("-")[0], 16), int(word.split("-")[-1], 16)) for word in words]


def _makers(generator, specials):
    """Pairs of a function that makes a piece of text and how often it is chosen."""
    known = assigned()
    members = {c for first, last in known for c in range(first, last + 1)}

    def draw(ranges, least, most):
        """Characters of one of the ranges."""
        first, last = generator.choice(ranges)
        count = generator.randint(least, most)
        return "".join(chr(c) for c in (generator.randint(first, last) for _ in range(count)) if c in members and c)

    def marked():
        return "".join(draw(_SCRIPTS[:24], 1, 1) + draw(_MARKS, 0, 3) for _ in range(generator.randint(1, 4)))

    def jamo():
        return "".join(draw([part], 1, 1) for part in _JAMO[:generator.randint(1, 3)])

    def damaged_special():
        text = generator.choice(specials)
        cut = generator.randrange(len(text))
        return generator.choice([text[:cut], text[cut:], text[:cut] + " " + text[cut:], text.upper(), text * 2])

    def pick(choices, most=1):
        return lambda: "".join(generator.choices(choices, k=generator.randint(1, most)))

    return [
        (lambda: draw(_SCRIPTS, 1, 12), 14),
        (lambda: draw(_SCRIPTS[:2], 1, 9), 10),
        (lambda: draw(_DIGITS, 1, 8), 6),
        (lambda: draw(_SYMBOLS, 1, 5), 6),
        (lambda: draw(_EMOJI, 1, 4), 4),
        (lambda: draw(known, 1, 4), 5),
        (marked, 5),
        (jamo, 2),
        (pick(_ZWJ_EMOJI, 2), 2),
        (pick(_COMPOSED, 4), 3),
        (pick(_SPACES, 6), 10),
        (pick(_CONTROLS, 3), 4),
        (pick(_CONTRACTIONS, 2), 4),
        (pick(_CODE), 4),
        (pick(specials, 2), 3),
        (damaged_special, 2),
    ]
