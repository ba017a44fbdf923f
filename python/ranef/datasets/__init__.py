"""Data sets that come with the package: the ones that books and tutorials on mixed models use."""

from ranef.datasets.bundled import dataset_path, list_datasets, load_dataset, registry

__all__ = ["dataset_path", "list_datasets", "load_dataset", "registry"]
