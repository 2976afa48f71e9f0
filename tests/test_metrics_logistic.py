"""The ridge logistic regression against scikit-learn's."""

import numpy as np
import pytest

from voiceface.metrics.logistic_regression import fit_logistic_regression

RANDOM = np.random.default_rng(0)
ROWS = RANDOM.normal(size=(150, 6)) * [1, 5, 0.1, 1, 1, 1] + [0, 20, 0, 0, 0, 0]
LABELS = (ROWS[:, 0] + 0.1 * ROWS[:, 1] + RANDOM.normal(size=150) > 2.6).astype(int)


@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize("penalty", [0.1, 30.0])
def test_it_is_scikit_learns(penalty, balanced):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    weight = "balanced" if balanced else None
    theirs = make_pipeline(
        StandardScaler(), LogisticRegression(C=1 / penalty, class_weight=weight, tol=1e-10, max_iter=5000)
    ).fit(ROWS, LABELS)
    ours = fit_logistic_regression(ROWS, LABELS, penalty=penalty, balanced=balanced)
    assert ours(ROWS) == pytest.approx(theirs.decision_function(ROWS), abs=1e-4)


def test_separable_rows_and_empty_columns_stay_finite():
    rows = np.column_stack([np.repeat([-1.0, 1.0], 20), np.zeros(40)])
    found = fit_logistic_regression(rows, np.repeat([0, 1], 20), penalty=0.01)
    assert np.isfinite(found.weights).all() and found.weights[1] == 0
    assert ((found(rows) > 0) == (rows[:, 0] > 0)).all()


def test_one_class_or_no_penalty_is_refused():
    for labels, penalty in ((np.ones(150), 1.0), (LABELS, 0.0)):
        with pytest.raises(ValueError, match="needs both classes"):
            fit_logistic_regression(ROWS, labels, penalty=penalty)
    with pytest.raises(ValueError, match="do not fit"):
        fit_logistic_regression(ROWS, LABELS[:9])
