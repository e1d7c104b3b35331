from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from semseg_jax.tables import label_curve
from semseg_jax.tables.label_curve import Factor
from semseg_jax.tables.label_curve import Point

BASELINE = [Point(10, 0.2), Point(100, 0.4), Point(1000, 0.5)]


def test_between_two_points_the_logarithm_counts():
  # Half way in score is half way from 10 to 100 in the logarithm.
  factor = label_curve.fewer_labels(Point(10, 0.3), BASELINE)
  assert factor.bound == ""
  assert factor.times == pytest.approx(10 ** 0.5)


def test_at_a_point_of_the_baseline():
  factor = label_curve.fewer_labels(Point(20, 0.4), BASELINE)
  assert factor.times == pytest.approx(5)


def test_a_score_that_the_baseline_never_reaches_gives_a_lower_bound():
  # The poster's claim: 30 labels against 1500.
  factor = label_curve.fewer_labels(
      Point(30, 0.5883), [Point(30, 0.4262), Point(150, 0.4988),
                          Point(1500, 0.5661)])
  assert factor == Factor(50, ">")
  assert str(factor) == "> 50"


def test_a_score_below_the_whole_baseline_gives_an_upper_bound():
  factor = label_curve.fewer_labels(Point(30, 0.1), BASELINE)
  assert factor == Factor(10 / 30, "<=")
  assert str(factor) == "<= 0.3"


def test_the_first_crossing_counts():
  curve = [Point(10, 0.2), Point(100, 0.6), Point(1000, 0.4),
           Point(10_000, 0.8)]
  assert label_curve.fewer_labels(Point(10, 0.5), curve).times < 10


@given(st.lists(st.tuples(st.integers(1, 10**5), st.floats(0, 1)), min_size=1,
                max_size=6, unique_by=lambda x: x[0]),
       st.integers(1, 10**5), st.floats(0, 1))
def test_the_factor_lies_within_the_curve(points, labels, score):
  curve = [Point(*p) for p in points]
  factor = label_curve.fewer_labels(Point(labels, score), curve)
  counts = [p.labels / labels for p in curve]
  assert min(counts) * 0.999 <= factor.times <= max(counts) * 1.001
  assert (factor.bound == ">") == all(p.score < score for p in curve)


def test_drawn_with_log_axis_and_open_marks():
  image = label_curve.draw(
      {"ours": [Point(10, 0.5, 0.1), Point(1000, 0.7)]}, title="t",
      published={"ours": [Point(30, 0.6)], "none": []})
  other = label_curve.draw(
      {"ours": [Point(10, 0.5), Point(1000, 0.7)]}, title="t",
      published={"ours": [Point(30, 0.6)]})
  assert not np.array_equal(image, other)  # the spread is drawn


def test_one_count_of_labels_can_be_drawn():
  high, low = (label_curve.draw({"a": [Point(10, score), Point(10, 0.2)]},
                                title="t") for score in (0.5, 0.3))
  assert not np.array_equal(high, low)
