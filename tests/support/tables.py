"""Tables of results that are remembered."""


def check_table(function, asked):
    """See that a function that remembers gives what it would give anew, for all that is asked, more than its table has
    room for: what it does not have yet, what it has, and what it has no longer."""
    function.cache_clear()
    for arguments in [*asked, *asked[-5:], *asked[:5]]:
        given = function(*arguments)
        assert given == function.__wrapped__(*arguments)
        hash(given)  # nobody can change it for those who ask next
    info = function.cache_info()
    assert info.hits >= 5
    assert info.currsize == info.maxsize < len(set(asked))
