"""Adds configs/ to the distribution, as the package `semseg_jax.configs`."""

import setuptools

setuptools.setup(
    packages=[
        *setuptools.find_packages(include=["semseg_jax*"]),
        *(f"semseg_jax.configs{'.' * bool(name)}{name}" for name in (
            "", *setuptools.find_namespace_packages("configs")))],
    package_dir={"semseg_jax.configs": "configs"})
