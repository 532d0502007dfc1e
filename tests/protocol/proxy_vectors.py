"""PROXY headers with what they say, and such as must be refused; another implementation took their checksums."""

from gemd.protocol.proxy_header import Endpoint, ProxyHeader

CLIENT, SERVER = Endpoint("192.0.2.7", 40312), Endpoint("198.51.100.1", 1965)
CLIENT6, SERVER6 = Endpoint("2001:db8::7", 40312), Endpoint("2001:db8:1::1", 1965)
UNIX = Endpoint("unix", 0)
SIGNATURE = "0d0a0d0a000d0a515549540a"
TCP4 = "c0000207c63364019d7807ad"
TCP6 = "20010db800000000000000000000000720010db80001000000000000000000019d7807ad"
HERE = ProxyHeader(CLIENT, SERVER)
HERE6 = ProxyHeader(CLIENT6, SERVER6)
NAMED = ProxyHeader(CLIENT, SERVER, server_name="example.org")
UNIX_HEADER = (
    bytes.fromhex(SIGNATURE + "213100d8") + b"/run/c.sock".ljust(108, b"\0") + b"/run/g.sock".ljust(108, b"\0")
)

GOOD = {
    "v1 TCP4": (b"PROXY TCP4 192.0.2.7 198.51.100.1 40312 1965\r\n", HERE),
    "v1 TCP6": (b"PROXY TCP6 2001:db8::7 2001:db8:1::1 40312 1965\r\n", HERE6),
    "v1 TCP6 in long": (b"PROXY TCP6 2001:0DB8:0:0:0:0:0:7 2001:db8:1::1 40312 1965\r\n", HERE6),
    "v1 mapped": (b"PROXY TCP6 ::ffff:192.0.2.7 ::ffff:198.51.100.1 40312 1965\r\n", HERE),
    "v1 ports at their ends": (
        b"PROXY TCP4 192.0.2.7 198.51.100.1 0 65535\r\n",
        ProxyHeader(Endpoint("192.0.2.7", 0), Endpoint("198.51.100.1", 65535)),
    ),
    "v1 longest TCP6": (
        b"PROXY TCP6" + b" ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" * 2 + b" 65535 65535\r\n",
        ProxyHeader(*[Endpoint("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535)] * 2),
    ),
    "v1 UNKNOWN": (b"PROXY UNKNOWN\r\n", ProxyHeader(is_local=True)),
    "v1 UNKNOWN with more": (b"PROXY UNKNOWN any\nthing \r 99999\r\n", ProxyHeader(is_local=True)),
    "v1 longest UNKNOWN": (b"PROXY UNKNOWN " + b"f" * 91 + b"\r\n", ProxyHeader(is_local=True)),
    **{
        name: (bytes.fromhex(SIGNATURE + text), header)
        for name, text, header in (
            ("TCP4", "2111000c" + TCP4, HERE),
            ("TCP4+crc", "21110013" + TCP4 + "0300047f961260", HERE),
            (
                "authority, noop, unique id, crc",
                "2111002d" + TCP4 + "02000b6578616d706c652e6f7267" "0400020000" "05000469642d31" "030004318c9079",
                NAMED,
            ),
            ("crc first", "21110021" + TCP4 + "03000408327620" "02000b6578616d706c652e6f7267", NAMED),
            (
                "verified certificate",
                "21110024" + TCP4 + "2000150500000000" "210007544c5376312e33" "220003416461",
                ProxyHeader(CLIENT, SERVER, tls_version="TLSv1.3"),
            ),
            ("TCP6", "21210024" + TCP6, HERE6),
            ("TCP6+crc", "2121002b" + TCP6 + "030004736570ea", HERE6),
            ("LOCAL", "20000000", ProxyHeader(is_local=True)),
            ("LOCAL with addresses", "2011000c" + TCP4, ProxyHeader(is_local=True)),
            ("LOCAL with anything", "20ff0005" "ffffffffff", ProxyHeader(is_local=True)),
            ("UNSPEC", "21000000", ProxyHeader()),
            ("mapped", "21210024" + 2 * "00000000000000000000ffffc0000207" + "9d7807ad",
             ProxyHeader(CLIENT, Endpoint("192.0.2.7", 1965))),
        )
    },
    "UNIX": (UNIX_HEADER, ProxyHeader(UNIX, UNIX)),
}  # fmt: skip

_V1 = b"PROXY TCP4 192.0.2.7 198.51.100.1 "
BAD = {
    "leading zero in an octet": (b"PROXY TCP4 192.0.2.07 198.51.100.1 40312 1965\r\n", "none of its family"),
    "leading zero in a port": (_V1 + b"040312 1965\r\n", "malformed"),
    "port with a sign": (_V1 + b"+40312 1965\r\n", "malformed"),
    "port with an underscore": (_V1 + b"4_0 1965\r\n", "malformed"),
    "port of other digits": (_V1 + b"\xb2 1965\r\n", "malformed"),
    "port too high": (_V1 + b"99999 1965\r\n", "over 65535"),
    "port one too high": (_V1 + b"40312 65536\r\n", "over 65535"),
    "two blanks": (b"PROXY TCP4  192.0.2.7 198.51.100.1 40312 1965\r\n", "malformed"),
    "blank at the end": (_V1 + b"40312 1965 \r\n", "malformed"),
    "LF alone": (_V1 + b"40312 1965\n", "CRLF"),
    "LF alone, and CRLF later": (_V1 + b"40312 1965\n\r\n", "malformed|CRLF"),
    "CR in it": (_V1 + b"40312\r1965\r\n", "malformed"),
    "IPv4 in TCP6": (b"PROXY TCP6 192.0.2.7 198.51.100.1 40312 1965\r\n", "none of its family"),
    "IPv6 in TCP4": (b"PROXY TCP4 2001:db8::7 2001:db8::1 40312 1965\r\n", "none of its family"),
    "zone": (b"PROXY TCP6 fe80::1%eth0 fe80::2 40312 1965\r\n", "malformed"),
    "brackets": (b"PROXY TCP6 [2001:db8::7] [2001:db8::1] 40312 1965\r\n", "malformed"),
    "no line ends so late": (b"PROXY UNKNOWN " + b"f" * 94, "longer than 107"),
    "one octet too long": (b"PROXY UNKNOWN " + b"f" * 92 + b"\r\n", "longer than 107"),
    "other word for UNKNOWN": (b"PROXY UNKNOWNS\r\n", "malformed"),
    "UDP": (b"PROXY UDP4 192.0.2.7 198.51.100.1 40312 1965\r\n", "^no PROXY header$"),
    "lower case": (b"proxy TCP4 192.0.2.7 198.51.100.1 40312 1965\r\n", "^no PROXY header$"),
    "TLS": (b"\x16\x03\x01\x02\x00\x01", "looks like TLS"),
    "a request": (b"gemini://example.org/\r\n", "^no PROXY header$"),
    **{
        name: (bytes.fromhex(SIGNATURE + text), why)
        for name, text, why in (
            ("wrong checksum", "21110013" + TCP4 + "0300047f961261", "checksum of the PROXY header is wrong"),
            ("short checksum", "21110012" + TCP4 + "0300037f9612", "checksum"),
            ("two checksums", "2111001a" + TCP4 + "0300047f961260" * 2, "checksum"),
            ("version 1", "1111000c" + TCP4, "version"),
            ("command 2", "2211000c" + TCP4, "command"),
            ("family 4", "2141000c" + TCP4, "family"),
            ("no transport", "2110000c" + TCP4, "family"),
            ("no family", "2101000c" + TCP4, "family"),
            ("transport 3", "2113000c" + TCP4, "family"),
            ("UDP4", "2112000c" + TCP4, "datagrams"),
            ("short addresses", "21110008c0000207c6336401", "too short"),
            ("short addresses, IPv6", "21210023" + TCP6[:-2], "too short"),
            ("TLV overruns", "21110012" + TCP4 + "020020616263", "past its end"),
            ("TLV of two octets", "2111000e" + TCP4 + "0200", "cut off"),
            ("TLV of UNSPEC overruns", "21000003" + "020001", "past its end"),
            ("SSL field too short", "21110013" + TCP4 + "20000405000000", "too short"),
            ("SSL field overruns", "21110017" + TCP4 + "2000080500000000" "210007", "past its end"),
            ("SSL field cut off", "21110015" + TCP4 + "2000060500000000" "21", "cut off"),
            ("longest", "2111ffff" + TCP4, "longer than 4096"),
            ("one octet too long", "21110ff1" + TCP4, "longer than 4096"),
        )
    },
}  # fmt: skip
