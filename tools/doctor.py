"""Find what is wrong with a data set: python tools/doctor.py CONFIG | FOLDER. ``--help`` lists the options."""
from segkit.apis.cli import run
from segkit.apis.doctor import main

if __name__ == '__main__':
    run(main)
