"""What the address of a bucket may be, and where requests go."""

import pytest

from aggregator.errors import BlobsRefused
from aggregator.objects.address import endpoint, read_address


@pytest.mark.parametrize(
    "address", ["s3://bucket", "gs://bucket/prefix", "az://container/a/b-c_d.e=f"]
)
def test_a_bucket_with_or_without_a_prefix_is_an_address(address: str) -> None:
    assert read_address(address) == read_address(f"{address}/") == address


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("s3://key:hush-hush@bucket/prefix", "secret"),
        ("az://container/prefix?sig=hush-hush", "secret"),
        ("s3://bucket:hush-hush", "secret"),
        ("gs://hush%2Dhush", "secret"),
        ("s3:/hush-hush@bucket", "secret"),
        ("", "address"),
        ("s3://", "address"),
        ("s3:///prefix", "address"),
        ("file:///etc", "address"),
        ("http://bucket/x", "address"),
        ("memory:///", "address"),
        ("s3://Bucket", "address"),
        ("s3://bucket//x", "address"),
        ("s3://bucket/../other", "address"),
        ("s3://bucket/.", "address"),
        ("s3://bucket/pre fix", "address"),
        ("s3://bucket/" + "x" * 500, "address"),
        ("s3://bucket/x\n", "address"),
    ],
)
def test_all_else_is_refused_and_never_repeated(address: str, kind: str) -> None:
    with pytest.raises(BlobsRefused) as caught:
        read_address(address)
    assert caught.value.kind == kind
    assert "hush" not in str(caught.value)


def test_a_server_of_ones_own_is_named_by_the_environment_for_s3_alone() -> None:
    environ = {"AWS_ENDPOINT_URL": "https://minio.example.org:9000", "AWS_ENDPOINT": "https://x"}
    assert endpoint("s3://bucket", environ) == "https://minio.example.org:9000"
    assert endpoint("gs://bucket", environ) is None
    assert endpoint("s3://bucket", {}) is None


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.9.9.9"])
def test_plain_http_goes_no_further_than_this_machine(host: str) -> None:
    url = f"http://{host}:9000"
    assert endpoint("s3://bucket", {"AWS_ENDPOINT": url}) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.1:9000",
        "http://minio.example.org",
        "http://127.0.0.1.example.org",
        "http://localhost@example.org",
        "https://user:hush-hush@example.org",
        "ftp://127.0.0.1",
        "//127.0.0.1",
        "http://[::1",
    ],
)
def test_any_other_plain_endpoint_is_refused(url: str) -> None:
    with pytest.raises(BlobsRefused) as caught:
        endpoint("s3://bucket", {"AWS_ENDPOINT_URL_S3": url})
    assert caught.value.kind == "plain"
    assert "hush" not in str(caught.value)
