"""python -m ganjax --task=…"""

from ganjax.tasks.main import main

if __name__ == '__main__':
  main()
