"""What SECURITY.md promises, and the tests that attack it: `make attack`.

A test that plays an attack carries the promise that it attacks:

    @pytest.mark.attack("log-in.guessing", "guesses with an invented X-Real-IP")
    def test_...(tried):
        ...
        tried(300)  # how many requests, inputs, bytes or the like were tried

`table` makes the table of all of them, `promises` reads SECURITY.md.
"""
