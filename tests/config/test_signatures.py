"""Which keywords a class or function takes."""
from segkit.config.signatures import accepted_keywords


class Base:
    def __init__(self, depth, width=1):
        pass


class Forwards(Base):
    def __init__(self, extra, **kwargs):
        super().__init__(**kwargs)


class Closed(Forwards):
    def __init__(self, only):
        super().__init__(0, depth=1)


class Open:
    def __init__(self, a, **kwargs):
        pass


class Empty:
    pass


def test_keywords_follow_kwargs_up_the_mro():
    assert accepted_keywords(Forwards) == {'extra', 'depth', 'width'}
    assert accepted_keywords(Closed) == {'only'}
    assert accepted_keywords(Open) is None
    assert accepted_keywords(Empty) == set()


def test_functions():
    assert accepted_keywords(lambda a, *, b=1: a) == {'a', 'b'}
    assert accepted_keywords(lambda a, **kwargs: a) is None
