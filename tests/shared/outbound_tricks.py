"""What attackers write in place of an address: every text here must be refused."""

from __future__ import annotations

REFUSED_ADDRESSES = """
127.0.0.1 127.1.2.3 127.255.255.254 0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 172.16.0.1 172.31.255.255 192.168.0.1
192.168.255.255 169.254.169.254 169.254.170.2 169.254.0.23 169.254.1.1 100.64.0.1 100.100.100.200 100.127.255.255
168.63.129.16 34.118.224.1 161.26.0.10 166.8.0.1 192.80.8.124 192.0.0.1 192.0.0.8 192.0.0.170 192.0.0.192
192.0.2.1 198.51.100.7
203.0.113.9 198.18.0.1 198.19.255.255
192.31.196.1 192.52.193.1 192.88.99.1 192.175.48.1 224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255
:: ::1 ::2 ::7f00:1 ::127.0.0.1 ::10.0.0.1 ::ffff:127.0.0.1 ::ffff:7f00:1 ::ffff:10.0.0.1 ::ffff:169.254.169.254
::ffff:8.8.8.8 ::ffff:0:127.0.0.1 0:0:0:0:0:ffff:c0a8:1 64:ff9b::127.0.0.1 64:ff9b::a9fe:a9fe 64:ff9b::8.8.8.8
64:ff9b:1::1 64:ff9b:1::7f00:1 64:ff9b:1:ffff::a00:1 100::1 100:0:0:1::1 2001::1 2001:0:7f00:1::1
2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:2::1 2001:3::1 2001:4:112::1 2001:10::1 2001:20::1 2001:30::1 2001:db8::1
2001:db8:ffff::1 2002:7f00:1::1 2002:a00:1:: 2002:a9fe:a9fe::1 2002:808:808::1 2620:4f:8000::1 3ffe::1 3fff::1
5f00::1 fc00::1 fd00::1 fd00:ec2::254 fd00:ec2::123 fd20:ce::254 fe80::1 fe80::a9fe:a9fe febf::1 fec0::1 feff::1
ff00::1 ff02::1 ff05::1:3 ff0e::1 4000::1 8000::1 2606:4700::5efe:7f00:1 2606:4700::200:5efe:a00:1
2606:4700::0:5efe:8.8.8.8
""".split()  # noqa: SIM905
"""Addresses that are not public, or hide one that is not."""

REFUSED_HOSTS = """
localhost LOCALHOST LocalHost localhost. foo.localhost a.b.localhost localhost.localdomain ip6-localhost printer.local
metadata metadata.google.internal METADATA.GOOGLE.INTERNAL metadata.google.internal. instance-data
instance-data.ec2.internal vault.service.consul kubernetes.default.svc kubernetes.default.svc.cluster.local
host.docker.internal gateway.docker.internal db router.lan nas.home fritz.home.arpa intranet.corp wpad
1.0.0.127.in-addr.arpa hidden.onion a.test a.invalid a.example
127.1 127.0.1 127.0.0.1. 127.0.0.01 127.0.0.001 0127.0.0.1 0177.0.0.1 0177.1 017700000001 00000177.0.0.1
0x7f.0.0.1 0x7f.1 0x7f000001 0X7F000001 0x7f.0x0.0x0.0x1 0x7F.0.0x1 2130706433 02130706433 4294967297 6425673729
127.0.0.1.1 127.0.0.256 127.0.0 127.0.0. 1 0 0x0 00 256 0.0 127.0.0.0x1 a.0x7f a.1 foo.127 example.org.0x1 1.1.1.0x
2852039166 0xa9fea9fe 0251.0376.0251.0376 169.254.43518 169.16689662 0xA9.0xFE.0xA9.0xFE 0000::1 10.1 192.168.257
[::1%25lo] [::1%lo] [fe80::1%25eth0] [fe80::1%eth0] [::1 ::1] ::1 [] [:] [:::1] [::1.2] [1.2.3.4] [v1.x] [vF.127.0.0.1]
[::1]x x[::1] [[::1]] [::ffff:127.1] [::ffff:0177.0.0.1] [::ffff:127.0.0.01] [0::0:0:0:0:0:0:0:1] [2606:4700::1111%1]
１２７。０。０。１ 127。0。0。1 127．0．0．1 127｡0｡0｡1 １２７.0.0.1 ①②⑦.⓪.⓪.① ⑫７.0.0.1 𝟏𝟐𝟕.𝟎.𝟎.𝟏 ١٢٧.٠.٠.١
ⓛocalhost ⓁⓄⒸⒶⓁⒽⓄⓈⓉ ｌｏｃａｌｈｏｓｔ
ⓔxample.org ℯxample.org exam\u200bple.org exam\u00adple.org example\u3002org example\uff0eorg example\u2024org
local\u017fhost.org lo\u212aal.org ﬁle.org exam℀le.org a℡b.org ㏂.org ½.org \u0130.org É.org
\u202eorg.elpmaxe
%31%32%37.0.0.1 127%2e0%2e0%2e1 127.0.0.1%2f loc%61lhost %6c%6f%63alhost example%2eorg example.org%00 example.org%0a
example.org%23@127.0.0.1 %5b::1%5d xn--a.org xn--.org xn--\u00fc.org xn--localhost-.org xn--127001-.org
xn--zzzzzzzz99.org
-a.org a-.org a..org .org .example.org example.org. example.org.. .. . - _ a,b.org a;b.org a!b.org a$b.org a'b.org
a*b.org *.org *.example.org a(b).org a+b.org a=b.org a~b.org a&b.org a|b.org a`b.org
a{b}.org a"b.org <a>.org a^b.org
""".split()  # noqa: SIM905
"""Hosts that are refused by their text, whatever the resolver would say."""

LONG_HOSTS = ["a" * 64 + ".org", ".".join(["a" * 60] * 5) + ".org", "ü" * 63 + ".org", "a." * 127 + "org"]

REFUSED_URLS = [
    "", " ", "/", "//", "///", "https", "https:", "https:/", "https://", "https:///", "https:////", "https://?", "https://#",
    "https://:443", "https://:443/", "https:///x", "https://?x=1", "https:example.org", "https:/example.org",
    "https:\\\\example.org\\", "https:\\/example.org", "//example.org/", "/example.org", "example.org",
    "example.org:443",
    "http://example.org/", "HTTP://example.org/", "ftp://example.org/", "file:///etc/passwd", "file://example.org/x",
    "gopher://example.org/_x", "dict://example.org:11211/", "ldap://example.org/", "unix:///run/docker.sock",
    "http+unix://%2frun%2fdocker.sock/x", "ws://example.org/", "wss://example.org/", "javascript:alert(1)",
    "data:text/plain,x", "jar:https://example.org!/", "view-source:https://example.org/", "blob:https://example.org/x",
    "https+x://example.org/", "httpss://example.org/", "hxxps://example.org/", "ｈttps://example.org/", "httpſ://example.org/",
    "https：//example.org/", "https:／／example.org/", "https://example.org／x", "https://example.org⁄x@127.0.0.1/",
    " https://example.org/", "https://example.org/ ", "\thttps://example.org/", "https://example.org/\n",
    "https://exam\tple.org/", "https://exam\nple.org/", "https://exam\rple.org/", "https://example.org/\x00",
    "https://example.org/\x7f", "https://example.org/\x85", "https://example.org/a b", "https://example.org/\u00a0",
    "https://example.org/\u2028", "https://example.org/\u200b", "https://example.org/\ufeff", "\ufeffhttps://example.org/",
    "https://example.org/\ud800", "https://example.org/\u202e", "https://example.org/\r\nHost: 127.0.0.1",
    "https://example.org/ HTTP/1.1\r\nX: y", "https://127.0.0.1 example.org/", "https://example.org\x0a@127.0.0.1/",
    "https://user@example.org/", "https://user:pw@example.org/", "https://@example.org/", "https://:@example.org/",
    "https://:pw@example.org/", "https://example.org@127.0.0.1/", "https://example.org:443@127.0.0.1/",
    "https://127.0.0.1@example.org/", "https://a@b@example.org/", "https://example.org:80:443@127.0.0.1/",
    "https://example.org\\@127.0.0.1/", "https://127.0.0.1\\@example.org/", "https://example.org\\.127.0.0.1/",
    "https://example.org/\\..\\", "https://example.org#@127.0.0.1/", "https://127.0.0.1#@example.org/",
    "https://example.org#", "https://example.org/#", "https://example.org/#x", "https://example.org/?x#y",
    "https://127.0.0.1?@example.org/", "https://127.0.0.1;@example.org/", "https://127.0.0.1%23@example.org/",
    "https://example.org&@127.0.0.1/", "https://127.0.0.1&@example.org#@example.net/", "https://{example.org}/",
    "https://example.org,127.0.0.1/", "https://127.0.0.1,example.org/", "https://example.org;127.0.0.1/",
    "https://[::1]@example.org/", "https://example.org@[::1]/", "https://[example.org]/", "https://[127.0.0.1]/",
    "https://[::1/", "https://::1]/", "https://[::1]]/", "https://[::1]:443:443/", "https://[::1]443/",
    "https://[2606:4700::1111]443/", "https://[2606:4700::1111]:x/", "https://2606:4700::1111/", "https://[::1]a:443/",
    "https://example.org:/", "https://example.org:0/", "https://example.org:00443/", "https://example.org:0443/",
    "https://example.org:65536/", "https://example.org:65979/", "https://example.org:4294967739/", "https://example.org:-1/",
    "https://example.org:+443/", "https://example.org:４４３/", "https://example.org:٤٤٣/", "https://example.org:0x1bb/",
    "https://example.org:44 3/", "https://example.org:443:443/", "https://example.org:443x/", "https://example.org:4_43/",
    "https://example.org:1/", "https://example.org:22/", "https://example.org:25/", "https://example.org:80/",
    "https://example.org:3306/", "https://example.org:5432/", "https://example.org:6379/", "https://example.org:8080/",
    "https://example.org:9200/", "https://example.org:11211/", "https://example.org:65535/", "https://example.org:443%00/",
    "https://example.org/%", "https://example.org/%zz", "https://example.org/%1", "https://example.org/?%g1",
    "https://example.org/%u0041", "https://example.org/" + "a" * 2048, "https://example.org/" + "ü" * 2000,
    "https://" + "a" * 5000, "https://" + "[" * 1000, "https://example.org/" + "%" * 100,
]  # fmt: skip
"""Whole URLs that are refused by their text."""


def in_a_url(host: str) -> str:
    """Return a URL with a host that is a name or an address."""
    bare_6 = host.count(":") > 1 and not host.startswith("[")
    return f"https://[{host}]/hook" if bare_6 else f"https://{host}/hook"


TRICKS = [
    *(in_a_url(host) for host in REFUSED_ADDRESSES),
    *(f"https://{host}/hook" for host in (*REFUSED_HOSTS, *LONG_HOSTS)),
    *REFUSED_URLS,
]
