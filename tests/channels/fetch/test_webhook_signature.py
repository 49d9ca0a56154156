"""Signatures by Standard Webhooks: the vector of its specification, and several secrets at once."""

import base64

from channels.fetch.webhook_signature import create_secret, signature, signed_headers

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"test": 2432232314}'


def test_the_vector_of_the_specification():
    said = signature("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, BODY, SECRET)
    assert said == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_each_valid_secret_signs():
    headers = signed_headers("id", 1, BODY, ["whsec_YQ==", "whsec_Yg=="])
    wanted = [signature("id", 1, BODY, one) for one in ("whsec_YQ==", "whsec_Yg==")]
    assert headers["webhook-signature"].split(" ") == wanted
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == ("id", "1")


def test_a_secret_has_256_random_bits():
    made = {create_secret() for _ in range(3)}
    assert len(made) == 3
    assert all(len(base64.b64decode(one.removeprefix("whsec_"))) == 32 for one in made)
