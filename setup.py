"""Install segkit from its checkout: ``pip install -e .``"""
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent


def requirements(name: str) -> list[str]:
    lines = (ROOT / 'requirements' / f'{name}.txt').read_text().splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith('#')]


setup(
    name='segkit',
    version=next(line for line in (ROOT / 'segkit' / '__init__.py').read_text().splitlines()
                 if line.startswith('__version__')).split("'")[1],
    description='Semantic segmentation with DeepLab-family models from config files, on PyTorch and MMEngine',
    long_description=(ROOT / 'README.md').read_text(),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    python_requires='>=3.10',
    packages=find_packages(include=['segkit', 'segkit.*']),
    install_requires=requirements('runtime'),
    extras_require=dict(optional=requirements('optional'), tests=requirements('tests')),
)
