import pytest

from gemd.app.missing import MISSING, missing_names_of


@pytest.mark.parametrize("module", MISSING)
def test_known_names_are_explained_and_others_are_not_there(module):
    explain = missing_names_of(module)
    for name, reason in MISSING[module].items():
        with pytest.raises(ImportError) as caught:
            explain(name)
        assert (str(caught.value), caught.value.name) == (f"{module} has no {name}: {reason}", module)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        explain("nothing")
