"""python -m ganjax --task=…"""

from ganjax import heap

if __name__ == '__main__':
  heap.unite()  # before the libraries of the tasks start threads
  from ganjax.tasks.main import main

  main()
