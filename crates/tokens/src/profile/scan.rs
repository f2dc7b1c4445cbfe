//! The scan behind [`TextProfile`]: fixed-size blocks and loops without branches, which the
//! compiler turns into vector instructions.

use super::TextProfile;

/// Bytes per block. Counters inside a block are single bytes, so it must not pass 255.
const BLOCK: usize = 240;
/// Bytes of the block before that a look back may need.
const HISTORY: usize = 16;
/// Fills up the last block. A continuation byte belongs to no class, so it counts nowhere.
const PADDING: u8 = 0x80;

/// One 0 or 1 per byte of a block, behind those of the last bytes of the block before.
type Mask = [u8; HISTORY + BLOCK];

/// The classes of the bytes of one block that look-back features are made of.
///
/// Aligned to a cache line, so that vector loads without a look back never straddle two.
#[repr(align(64))]
struct Masks {
    letter: Mask,
    lower: Mask,
    digit: Mask,
    whitespace: Mask,
    other: Mask,
    /// Letters and every byte of a non-ASCII character.
    word: Mask,
    /// The first byte of a run of word bytes.
    start: Mask,
    /// Lower-case letters with seven more of them in front.
    eighth_lower: Mask,
    /// Bytes that differ from the one before.
    changed: Mask,
    /// The last byte of the block before.
    last: u8,
}

/// Profiles `bytes` in one pass.
pub(super) fn profile(bytes: &[u8]) -> TextProfile {
    let mut profile = TextProfile {
        bytes: bytes.len() as u64,
        ..TextProfile::default()
    };
    profile.shape.bytes = profile.bytes;
    let mut masks = Masks::new();
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    for block in blocks {
        masks.scan(block, &mut profile);
    }
    if !rest.is_empty() {
        let mut last = [PADDING; BLOCK];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        masks.scan(&last, &mut profile);
    }
    let counts = [
        profile.ascii_letters,
        profile.digits,
        profile.whitespace,
        profile.ascii_other,
        profile.two_byte,
        profile.three_byte,
        profile.four_byte,
    ];
    // Up to here Devanagari holds all scripts with its lead byte.
    let shape = &mut profile.shape;
    shape.devanagari = shape.devanagari.saturating_sub(shape.south_asian);
    profile.characters = counts.iter().sum();
    profile
}

impl Masks {
    const fn new() -> Self {
        const EMPTY: Mask = [0; HISTORY + BLOCK];
        Self {
            letter: EMPTY,
            lower: EMPTY,
            digit: EMPTY,
            whitespace: EMPTY,
            other: EMPTY,
            word: EMPTY,
            start: EMPTY,
            eighth_lower: EMPTY,
            changed: EMPTY,
            last: PADDING,
        }
    }

    fn scan(&mut self, block: &[u8; BLOCK], profile: &mut TextProfile) {
        let before = std::mem::replace(&mut self.last, block[BLOCK - 1]);
        self.load(block, before);
        self.count_classes(block, profile);
        self.count_words(profile);
        self.count_gaps(profile);
        if block.iter().fold(0, |all, byte| all | byte) >= 0x80 {
            count_non_ascii(block, before, profile);
        }
        for mask in [
            &mut self.letter,
            &mut self.lower,
            &mut self.digit,
            &mut self.whitespace,
            &mut self.other,
            &mut self.word,
            &mut self.eighth_lower,
        ] {
            mask.copy_within(BLOCK.., 0);
        }
    }

    fn load(&mut self, block: &[u8; BLOCK], before: u8) {
        for (index, &byte) in block.iter().enumerate() {
            let at = HISTORY + index;
            let letter = within(byte | 0x20, b'a', b'z');
            let digit = within(byte, b'0', b'9');
            let whitespace = within(byte, 0x09, 0x0d) | u8::from(byte == b' ');
            let foreign = byte >> 7;
            self.letter[at] = letter;
            self.lower[at] = letter & (byte >> 5);
            self.digit[at] = digit;
            self.whitespace[at] = whitespace;
            self.other[at] = 1 ^ (letter | digit | whitespace | foreign);
            self.word[at] = letter | foreign;
            // A continuation byte opens no word, so that neither padding nor a text that was
            // cut inside a character adds one.
            self.start[at] = letter | u8::from(byte >= 0xc0);
        }
        for at in HISTORY..HISTORY + BLOCK {
            self.start[at] &= 1 ^ self.word[at - 1];
            let lower = |back: usize| self.lower[at - back];
            self.eighth_lower[at] = (lower(0) & lower(1) & lower(2) & lower(3))
                & (lower(4) & lower(5) & lower(6) & lower(7));
        }
        self.changed[HISTORY] = u8::from(block[0] != before);
        for at in 1..BLOCK {
            self.changed[HISTORY + at] = u8::from(block[at] != block[at - 1]);
        }
    }

    fn count_classes(&self, block: &[u8; BLOCK], profile: &mut TextProfile) {
        let [letters, digits, whitespace, other, line_feeds] = sums(|i| {
            let line_feed = u8::from(block[i - HISTORY] == b'\n');
            [
                self.letter[i],
                self.digit[i],
                self.whitespace[i],
                self.other[i],
                line_feed,
            ]
        });
        profile.ascii_letters += letters;
        profile.digits += digits;
        profile.whitespace += whitespace;
        profile.ascii_other += other;
        profile.shape.line_feeds += line_feeds;
        if digits > 0 {
            self.count_numbers(profile);
        }
    }

    fn count_words(&self, profile: &mut TextProfile) {
        let Self {
            letter,
            lower,
            eighth_lower,
            digit,
            other,
            start,
            ..
        } = self;
        let shape = &mut profile.shape;
        let [words, marked, numbered, capitals, case_changes] = sums(|i| {
            let capital = letter[i] & !lower[i];
            [
                start[i],
                start[i] & other[i - 1],
                start[i] & digit[i - 1],
                capital,
                capital & lower[i - 1],
            ]
        });
        shape.words += words;
        shape.marked_words += marked;
        shape.numbered_words += numbered;
        shape.capitals += capitals;
        shape.case_changes += case_changes;
        let [long, endless] = sums(|i| {
            let long = lower[i] & eighth_lower[i - 1];
            [long, long & eighth_lower[i - 9]]
        });
        shape.long_word_letters += long - endless;
        shape.endless_word_letters += endless;
    }

    fn count_gaps(&self, profile: &mut TextProfile) {
        let Self {
            whitespace,
            other,
            changed,
            ..
        } = self;
        let [indents, other_runs, other_changes] = sums(|i| {
            [
                whitespace[i] & whitespace[i - 1] & !whitespace[i - 2],
                other[i] & !other[i - 1],
                other[i] & other[i - 1] & changed[i],
            ]
        });
        profile.shape.indents += indents;
        profile.shape.other_runs += other_runs;
        profile.shape.other_changes += other_changes;
    }

    fn count_numbers(&self, profile: &mut TextProfile) {
        let Self {
            digit, whitespace, ..
        } = self;
        let three_from = |i: usize| digit[i] & digit[i - 1] & digit[i - 2];
        let [spaced, groups, long] = sums(|i| {
            let (three, six) = (three_from(i - 1), three_from(i - 1) & three_from(i - 4));
            // The first digit of a number, the fourth and the seventh each open a group.
            let opens = !digit[i - 1] | (three & !digit[i - 4]) | (six & !digit[i - 7]);
            [
                digit[i] & whitespace[i - 1],
                digit[i] & opens,
                digit[i] & six & three_from(i - 7),
            ]
        });
        profile.shape.spaced_digit_runs += spaced;
        profile.shape.digit_groups += groups;
        profile.shape.long_number_digits += long;
    }
}

/// Counts the characters of two bytes and more by the lead byte.
fn count_non_ascii(block: &[u8; BLOCK], before: u8, profile: &mut TextProfile) {
    let [two, three, four] = sums(|i| {
        let lead = |first, last| within(block[i - HISTORY], first, last);
        [lead(0xc0, 0xdf), lead(0xe0, 0xef), lead(0xf0, 0xff)]
    });
    let [latin, greek, cyrillic, semitic] = sums(|i| {
        let lead = |first, last| within(block[i - HISTORY], first, last);
        [
            lead(0xc3, 0xca),
            lead(0xce, 0xcf),
            lead(0xd0, 0xd3),
            lead(0xd4, 0xdf),
        ]
    });
    let [devanagari, kana, han, hangul] = sums(|i| {
        let lead = |first, last| within(block[i - HISTORY], first, last);
        [
            lead(0xe0, 0xe0),
            lead(0xe3, 0xe3),
            lead(0xe4, 0xe9),
            lead(0xea, 0xed),
        ]
    });
    // The second byte tells these two apart; it may be the first of its block.
    let south_asian = u64::from(before == 0xe0 && block[0] >= 0xa6)
        + sum_pairs(block, |lead, second| {
            u8::from(lead == 0xe0) & u8::from(second >= 0xa6)
        });
    profile.two_byte += two;
    profile.three_byte += three;
    profile.four_byte += four;
    let shape = &mut profile.shape;
    shape.latin += latin;
    shape.greek += greek;
    shape.cyrillic += cyrillic;
    shape.semitic += semitic;
    shape.devanagari += devanagari;
    shape.south_asian += south_asian;
    shape.kana += kana;
    shape.han += han;
    shape.hangul += hangul;
}

/// 1 where `first <= byte <= last`, otherwise 0.
#[inline(always)]
const fn within(byte: u8, first: u8, last: u8) -> u8 {
    (byte.wrapping_sub(first) <= last - first) as u8
}

/// Adds each of `features` up over the positions of a block, as indices into a [`Mask`].
#[inline(always)]
fn sums<const N: usize>(features: impl Fn(usize) -> [u8; N]) -> [u64; N] {
    let mut totals = [0_u8; N];
    for index in HISTORY..HISTORY + BLOCK {
        let values = features(index);
        for (total, value) in totals.iter_mut().zip(values) {
            *total = total.wrapping_add(value);
        }
    }
    totals.map(u64::from)
}

/// Adds `feature` up over the neighbouring bytes of a block.
#[inline(always)]
fn sum_pairs(block: &[u8; BLOCK], feature: impl Fn(u8, u8) -> u8) -> u64 {
    let mut total = 0_u8;
    for index in 1..BLOCK {
        total = total.wrapping_add(feature(block[index - 1], block[index]));
    }
    u64::from(total)
}
