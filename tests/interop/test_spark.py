"""The functions of `ranef.scale` in Spark's ``mapInArrow``."""

import os
import sys

import pytest

from interop.crossed_rows import FORMULA, made
from ranef import lmer, scale

pyspark = pytest.importorskip("pyspark")
pytestmark = pytest.mark.filterwarnings("ignore")

SCHEMA = "part string, bytes binary"


@pytest.fixture(scope="module")
def spark(tmp_path_factory):
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.warehouse.dir", str(tmp_path_factory.mktemp("spark")))
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()


def test_a_frame_of_spark(spark, tmp_path):
    data = made()
    data.to_parquet(tmp_path / "rows.parquet", index=False)
    frame = spark.read.parquet(str(tmp_path / "rows.parquet")).repartition(3).cache()
    found = frame.mapInArrow(lambda batches: scale.partition_survey(FORMULA, batches), SCHEMA).collect()
    recipe = scale.merge_surveys(row["bytes"] for row in found).freeze()
    assert recipe.fingerprint == scale.survey(FORMULA, data).freeze().fingerprint
    sums = frame.mapInArrow(lambda batches: scale.partition_statistic(recipe, batches), SCHEMA)
    total = scale.merge_statistics(row["bytes"] for row in sums.toLocalIterator())
    assert sorted(total.parts) == [f"partition {i}" for i in range(3)]
    m, whole = total.fit(), lmer(FORMULA, data)
    assert m.nobs == whole.nobs
    assert m.objective == pytest.approx(whole.objective, abs=1e-8)
    other = data.head(200).assign(h="unseen")
    with pytest.raises(Exception, match="which the survey did not see"):
        spark.createDataFrame(other).mapInArrow(lambda b: scale.partition_statistic(recipe, b), SCHEMA).collect()
