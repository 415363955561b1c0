"""Metadata of the distribution; the settings of the tools are in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent


def version() -> str:
    """The ``__version__`` of chat/__init__.py, read as text: the dependencies are not here yet."""
    source = (HERE / "chat" / "__init__.py").read_text(encoding="utf-8")
    match = re.search(r'^__version__ = "([^"]+)"$', source, re.MULTILINE)
    if match is None:
        raise SystemExit('chat/__init__.py has no line like __version__ = "1.2.3"')
    return match[1]


def long_description() -> str:
    readme = HERE / "README.md"
    return readme.read_text(encoding="utf-8") if readme.exists() else ""


# Older ones can be made to run what a picture says (CVE-2023-4863, CVE-2024-28219).
PICTURES = ["Pillow>=10.3"]
CODE = ["Pygments>=2.15"]
METRICS = ["prometheus-client>=0.20"]
# Before, redis-py could not read with a time limit of its own. Its parser in Python never frees the buffer of a flood.
CLUSTER = ["redis[hiredis]>=8.1"]
TEST = [
    *CLUSTER,
    *CODE,
    *METRICS,
    *PICTURES,
    "check-jsonschema>=0.30",  # has the schema of compose files
    # An exact series: another release may know more characters. It makes chat/protocol/confusables.json.
    "confusable-homoglyphs~=3.3.0",
    "coverage[toml]>=7.2",
    # An exact series: another release has other names. It makes chat/client/screen/input/emoji.json.
    "emoji~=2.16.0",
    # An exact series: another release writes other pages.
    "docutils~=0.23.0",
    "hypothesis>=6.90",
    "jsonschema>=4.18",
    "pyte>=0.8.1",
    "pytest>=7.4",
    "pytest-timeout>=2.1",
    "pytest-xdist>=3.8",
    "rich>=13.4",
]
DEV = [
    "mypy>=1.11",
    "pre-commit>=3.3",
    # An exact series: another release of ruff formats and warns differently.
    "ruff~=0.17.6",
    "tomli>=2",  # mypy looks at the code as Python 3.10 sees it
    "types-docutils",
    "types-gevent",
    "types-jsonschema",
    "types-tqdm",
    "types-ujson",
]

PROGRAMS = ["chat-client", "chat-server"]
# Where the shells look for the completion of a command, and by which name.
COMPLETIONS = {
    "share/bash-completion/completions": "bash/{}",
    "share/zsh/site-functions": "zsh/_{}",
    "share/fish/vendor_completions.d": "fish/{}.fish",
}

setup(
    name="chat",
    version=version(),
    description="A chat room over TCP, with a terminal client",
    long_description=long_description(),
    long_description_content_type="text/markdown",
    author="the chat authors",
    license="MIT",
    license_files=["LICENSE"],
    keywords=["chat", "chat-server", "chat-client", "terminal", "gevent", "self-hosted"],
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Environment :: Console",
        "Intended Audience :: Developers",
        "Intended Audience :: End Users/Desktop",
        "Intended Audience :: System Administrators",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Communications :: Chat",
        "Typing :: Typed",
    ],
    python_requires=">=3.10",
    packages=find_packages(include=["chat", "chat.*"]),
    package_data={"": ["py.typed", "*.json", "*.lua", "templates/*"]},
    data_files=[
        ("share/man/man1", ["docs/chat-client.1", "docs/chat-server.1"]),
        *(
            (directory, [f"completions/{name.format(program)}" for program in PROGRAMS])
            for directory, name in COMPLETIONS.items()
        ),
    ],
    zip_safe=False,
    install_requires=[
        "argon2-cffi>=23.1",
        "cryptography>=42",
        "docopt-ng>=0.9",
        "gevent>=23.9.1",
        "platformdirs>=3",
        "precis-i18n>=1.1",
        'tomli>=2; python_version < "3.11"',
        "tqdm>=4.66",
        "ujson>=5.10",
        "wcwidth>=0.9.4",  # before, it parted flags after a line end
    ],
    extras_require={
        "cluster": CLUSTER,
        "code": CODE,
        "metrics": METRICS,
        "pictures": PICTURES,
        "test": TEST,
        "dev": TEST + DEV,
    },
    entry_points={
        "console_scripts": [
            "chat-server = chat.start:server",
            "chat-client = chat.start:client",
        ],
    },
)
