//! What somebody might send where a name, a key or a parameter is expected.

/// Every text holds this, so that it is found wherever it gets to.
pub(crate) const MARK: &str = "Zq7";

/// The texts, as bytes: not all of them are characters.
pub(crate) fn texts() -> Vec<Vec<u8>> {
    let mut texts: Vec<Vec<u8>> = TEXTS.iter().map(|text| text.as_bytes().to_vec()).collect();
    texts.extend(BYTES.iter().map(|bytes| bytes.to_vec()));
    texts.push(format!("{MARK}{}", "x".repeat(300)).into_bytes());
    texts.push(format!("{MARK}{}", "é".repeat(30_000)).into_bytes());
    texts
}

const TEXTS: [&str; 37] = [
    // SQL.
    "Zq7' OR '1'='1",
    "Zq7'; DROP TABLE paceline_entry; --",
    "Zq7\" UNION SELECT * FROM paceline_meta --",
    "Zq7\\'); DELETE FROM paceline_rollup; /*",
    // Line breaks: as they are, folded, and in what may be turned into one.
    "Zq7\r\nset-cookie: evil=1",
    "Zq7\r\n\r\nHTTP/1.1 200 OK\r\nset-cookie: evil=1\r\n\r\n",
    "Zq7\nset-cookie: evil=1",
    "Zq7\rset-cookie: evil=1",
    "Zq7\r\n folded",
    "Zq7%0d%0aset-cookie:%20evil=1",
    "Zq7%250d%250aset-cookie:%20evil=1",
    "Zq7\\r\\nset-cookie: evil=1",
    "Zq7\\u000d\\u000aset-cookie: evil=1",
    "Zq7=?utf-8?q?=0D=0Aset-cookie:_evil=1?=",
    "Zq7\u{560d}\u{560a}set-cookie: evil=1",
    "Zq7\u{2028}set-cookie\u{2029}evil",
    "Zq7\u{85}set-cookie\u{b}evil\u{c}",
    "Zq7\n2026-01-01T00:00:00.000000Z ERROR forged",
    // Terminals.
    "Zq7\u{1b}[2J\u{1b}[31mred\u{1b}]0;title\u{7}",
    "Zq7\u{9b}31mred\u{9d}0;title\u{9c}",
    "Zq7\u{8}\u{8}\u{8}\u{7f}\t",
    // Spreadsheets.
    "=Zq7+cmd|' /C calc'!A0",
    "+Zq7",
    "-Zq7+1",
    "@SUM(Zq7)",
    "\tZq7=1+1",
    "Zq7\tsecond cell",
    "Zq7\",\"second cell\"\n=third",
    // Pages, logs, metrics and templates.
    "<script>alert('Zq7')</script>",
    "\"><img src=x onerror=Zq7>",
    "Zq7\",\"level\":\"ERROR\",\"forged\":\"1",
    "Zq7\"} 1\nforged_metric{a=\"b\"} 1",
    "${jndi:ldap://Zq7}",
    "{{Zq7}} %s%n%x {0}",
    "../../../etc/Zq7",
    // Writing from right to left, and nothing at all.
    "Zq7\u{202e}gpj.exe\u{202c}\u{2066}\u{200f}",
    "Zq7\0after",
];

const BYTES: [&[u8]; 4] = [
    b"Zq7\xff\xfe",
    b"Zq7\xc3\x28",
    // A line break in more bytes than it has, half a surrogate pair, and an end in the middle of a character.
    b"Zq7\xc0\x8d\xc0\x8a\xed\xa0\x80",
    b"Zq7\xf0\x9f\x98",
];
