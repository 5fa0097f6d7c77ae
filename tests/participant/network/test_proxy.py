"""Which proxy the environment names, and for which hosts."""

import sys
import urllib.request

import pytest
from websockets.proxy import parse_proxy as parse_address

from participant.cli.sentences.errors import describe
from participant.cli.sentences.sentence import Context
from participant.errors import BadProxy
from participant.network.proxy import Proxy, find_proxy, is_exempt, parse_proxy
from tests.stage.fake_proxy import HOST, SECRET, holds_no

pytestmark = pytest.mark.usefixtures("no_proxy_settings")


@pytest.mark.parametrize(
    ("value", "scheme", "host", "port"),
    [
        ("proxy.example:8080", "http", "proxy.example", 8080),
        ("http://proxy.example:8080", "http", "proxy.example", 8080),
        ("HTTP://proxy.example:8080/", "http", "proxy.example", 8080),
        ("http://proxy", "http", "proxy", 80),
        ("https://proxy", "https", "proxy", 443),
        ("socks5://proxy", "socks5", "proxy", 1080),
        ("socks5h://proxy:9", "socks5h", "proxy", 9),
        ("socks4://proxy", "socks4", "proxy", 1080),
        ("socks4a://proxy", "socks4a", "proxy", 1080),
        ("socks://proxy:1080/", "socks5h", "proxy", 1080),
        ("http://[2001:db8::1]:3128", "http", "2001:db8::1", 3128),
        ("[::1]:3128", "http", "::1", 3128),
        ("10.0.0.1:3128", "http", "10.0.0.1", 3128),
        ("http://my_proxy:3128", "http", "my_proxy", 3128),
        ("http://prôxy.example:3128", "http", "xn--prxy-wqa.example", 3128),
    ],
)
def test_a_proxy_is_read_in_every_form(value: str, scheme: str, host: str, port: int) -> None:
    assert parse_proxy("X", value) == Proxy("X", scheme, host, port)


@pytest.mark.parametrize(
    ("value", "user", "password"),
    [
        (f"http://user:{SECRET}@proxy:1", "user", SECRET),
        (f"user:{SECRET}@proxy:1", "user", SECRET),
        ("http://user:p%40%20%3A%25ss@proxy:1", "user", "p@ :%ss"),
        ("http://user:p@s/s#?@proxy:1", "user", "p@s/s#?"),
        ("http://DOMAIN%5Cuser:a:b@proxy:1", "DOMAIN\\user", "a:b"),
        ("http://user@proxy:1", "user", ""),
        ("http://user:100%@proxy:1", "user", "100%"),
        ("http://us%C3%A9r:%C3%A9@proxy:1", "usér", "é"),
        ("socks4://user@proxy:1", "user", ""),
    ],
)
def test_user_and_password_are_read_as_they_were_meant(
    value: str, user: str, password: str
) -> None:
    proxy = parse_proxy("X", value)
    assert (proxy.user, proxy.password, proxy.host) == (user, password, "proxy")
    assert password == "" or password not in repr(proxy) + proxy.name
    again = parse_address(proxy.address())
    assert (again.username, again.password, again.host, again.port) == (user, password, "proxy", 1)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (f"http//{SECRET}", "slash is missing"),
        (f"http:/{SECRET}:1", "slash is missing"),
        (f"http:{SECRET}:1", "port is no number"),
        (f"user:{SECRET}", "port is no number"),
        (f"proxy:{SECRET}", "port is no number"),
        (f"http://user:{SECRET}@proxy:port", "port is no number"),
        (f"http://user:{SECRET}@proxy:0", "port is no number"),
        (f"http://user:{SECRET}@proxy:65536", "port is no number"),
        (f"http://user:{SECRET}@proxy:-1", "port is no number"),
        (f"http://user:{SECRET}@proxy:٣", "port is no number"),
        (f"htp://user:{SECRET}@proxy:1", "none of http, https, socks"),
        (f"ftp://user:{SECRET}@proxy:1", "none of http, https, socks"),
        (f"http://user:{SECRET}@", "no host"),
        (f"http://user:{SECRET}@:8080", "no host"),
        (f"http://user:{SECRET}@pro xy:8080", "neither a name nor an address"),
        (f"http://user:{SECRET}@-proxy:8080", "neither a name nor an address"),
        (f"http://user:{SECRET}@300.1.1.1:8080", "neither a name nor an address"),
        (f"http://user:{SECRET}@[proxy]:8080", "neither a name nor an address"),
        (f"http://user:{SECRET}@[::1:8080", "neither a name nor an address"),
        (f"http://user:{SECRET}@{'ü' * 70}:8080", "no name that DNS can have"),
        (f"http://user:{SECRET}@2001:db8::1:8080", "square brackets"),
        (f"http://user:{SECRET}@proxy:8080/path", "follows host and port"),
        (f"http://user:{SECRET}%FF@proxy:8080", "not UTF-8"),
        (f"http://us%3Aer:{SECRET}@proxy:8080", "a colon"),
        (f"socks5://user:{SECRET}é@proxy", "SOCKS 5"),
        ("socks5://user@proxy", "SOCKS 5"),
        (f"socks4://user:{SECRET}@proxy", "SOCKS 4"),
        (f'"http://user:{SECRET}@proxy:8080"', "quotation mark"),
        (f"http://user:{SECRET}@wpad/proxy.pac", "PAC"),
        (f"http://wpad/wpad.dat?{SECRET}", "PAC"),
        ("file:///etc/proxy.pac", "PAC"),
        ("pac+http://wpad/x", "PAC"),
        ("PROXY proxy:8080; DIRECT", "PAC"),
        ("DIRECT", "PAC"),
        (f"http=proxy:80;https={SECRET}:80", "none of|neither|port is no number"),
    ],
)
def test_what_is_no_proxy_is_refused_by_the_variables_name_without_the_value(
    value: str, reason: str
) -> None:
    with pytest.raises(BadProxy, match=reason) as caught:
        find_proxy(HOST, 443, {"HTTPS_PROXY": value})
    said = describe(caught.value, Context())
    assert said.what.startswith("HTTPS_PROXY names no proxy")
    assert "export HTTPS_PROXY=" in said.remedy
    assert holds_no(SECRET, caught.value)


def test_a_mac_without_variables_is_asked_for_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"https": f"http://user:{SECRET}@proxy:8080", "socks": "http://proxy:1"}
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(urllib.request, "proxy_bypass", lambda host: host == "near.example")
    monkeypatch.setattr(urllib.request, "getproxies", lambda: settings)
    assert find_proxy("near.example", 443, {}) is None
    found = find_proxy(HOST, 443, {})
    assert found is not None
    assert found.name == "the proxy proxy:8080 (from this system's network settings)"
    settings["https"] = f"http://{SECRET}:port"
    with pytest.raises(BadProxy) as caught:
        find_proxy(HOST, 443, {})
    said = describe(caught.value, Context())
    assert said.what.startswith("this system's network settings name no proxy")
    assert "set another, for example: export HTTPS_PROXY=" in said.remedy
    assert holds_no(SECRET, caught.value)


@pytest.mark.parametrize(
    ("environment", "source"),
    [
        ({}, None),
        ({"HTTPS_PROXY": ""}, None),
        ({"HTTPS_PROXY": "  "}, None),
        ({"HTTP_PROXY": "a:1", "http_proxy": "a:1"}, None),
        ({"HTTPS_PROXY": " a:1 \n"}, "HTTPS_PROXY"),
        ({"https_proxy": "a:1", "HTTPS_PROXY": "b:1"}, "https_proxy"),
        ({"https_proxy": "", "HTTPS_PROXY": "b:1"}, None),
        ({"https_proxy": "", "ALL_PROXY": "b:1"}, "ALL_PROXY"),
        ({"ALL_PROXY": "socks5://a", "HTTPS_PROXY": "b:1"}, "HTTPS_PROXY"),
        ({"all_proxy": "socks5://a"}, "all_proxy"),
        ({"SOCKS_PROXY": "socks5://a"}, "SOCKS_PROXY"),
        ({"wss_proxy": "a:1", "https_proxy": "b:1"}, "wss_proxy"),
        ({"HTTPS_PROXY": "a:1", "NO_PROXY": HOST}, None),
        ({"HTTPS_PROXY": "a:1", "no_proxy": "", "NO_PROXY": HOST}, "HTTPS_PROXY"),
        ({"HTTPS_PROXY": f"nonsense//{SECRET}", "NO_PROXY": HOST}, None),
    ],
)
def test_the_first_variable_that_is_set_counts(
    environment: dict[str, str], source: str | None
) -> None:
    proxy = find_proxy(HOST, 443, environment)
    assert (proxy.source if proxy else None) == source


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1"])
def test_this_machine_is_reached_without_a_proxy(host: str) -> None:
    assert find_proxy(host, 443, {"HTTPS_PROXY": "a:1"}) is None


@pytest.mark.parametrize(
    ("host", "exempt", "expected"),
    [
        ("agg.example.org", "*", True),
        ("agg.example.org", "a, *", True),
        ("agg.example.org", "agg.example.org", True),
        ("agg.example.org", "x,AGG.Example.ORG.", True),
        ("agg.example.org.", "agg.example.org", True),
        ("agg.example.org", "example.org", True),
        ("agg.example.org", ".example.org", True),
        ("agg.example.org", "*.example.org", True),
        ("agg.example.org", "x agg.example.org", True),
        ("agg.example.org", "agg.example.org:8443", True),
        ("agg.example.org", "agg.example.org:443", False),
        ("agg.example.org", "gg.example.org", False),
        ("agg.example.org", "agg.example.or", False),
        ("agg.example.org", "b.agg.example.org", False),
        ("agg.example.org", "10.0.0.0/8", False),
        ("agg.example.org", "", False),
        ("agg.example.org", ".", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.3:8443", True),
        ("10.1.2.3", "10.1.2.3:443", False),
        ("10.1.2.3", "10.0.0.0/8", True),
        ("10.1.2.3", "10.1.2.99/24", True),
        ("10.1.2.3", "11.0.0.0/8", False),
        ("10.1.2.3", "2.3", False),
        ("2001:db8::1", "2001:db8::/32", True),
        ("2001:db8::1", "2001:DB8:0::1", True),
        ("2001:db8::1", "[2001:db8::1]", True),
        ("2001:db8::1", "[2001:db8::1]:8443", True),
        ("2001:db8::1", "[2001:db8::1]:443", False),
        ("2001:db8::1", "10.0.0.0/8", False),
    ],
)
def test_what_no_proxy_names_is_reached_directly(host: str, exempt: str, expected: bool) -> None:
    assert is_exempt(host, 8443, exempt) == expected
