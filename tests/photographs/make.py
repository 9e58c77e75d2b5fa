"""Makes the photographs of this folder from the demo's; run it after changing what they show."""

import pathlib

from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

HERE = pathlib.Path(__file__).resolve().parent
ASTRONAUT = HERE.parents[1] / 'scripts' / 'demo' / 'astronaut.png'
SCRATCHES = [  # from, to, px of scratched.jpg
  ((96, 30), (180, 318)),
  ((232, 0), (140, 270)),
  ((30, 150), (300, 92)),
  ((60, 216), (310, 176)),
  ((150, 20), (256, 250)),
  ((112, 84), (226, 70)),
  ((118, 128), (212, 152)),
]
CREASES = [  # lines across the face, px of creased.jpg
  ((124, 94), (144, 126), (150, 148), (162, 166)),
  ((122, 118), (160, 108), (204, 119)),
]
STAIN = (176, 124, 194, 140)


def main() -> None:
  photo = Image.open(ASTRONAUT).convert('RGB')
  portrait = photo.crop((60, 0, 380, 320))
  scratched, mask = scratch(portrait)
  _save(scratched, 'scratched.jpg')
  mask.save(HERE / 'scratched_mask.png', optimize=True)
  _save(sepia(portrait), 'sepia.jpg')
  creased, mask = crease(portrait)
  _save(creased, 'creased.jpg')
  mask.save(HERE / 'creased_mask.png', optimize=True)
  _save(group(photo), 'group.jpg')
  _save(photo.resize((400, 400)).transpose(Image.Transpose.ROTATE_90), 'sideways.jpg')
  _save(scan(portrait), 'border.jpg')


def scratch(photo: Image.Image) -> tuple[Image.Image, Image.Image]:
  """White scratches, and the mask of them: black where the photo is lost."""
  lost = Image.new('L', photo.size)
  for start, end in SCRATCHES:
    ImageDraw.Draw(lost).line((start, end), fill=255, width=5)
  return Image.composite(
    Image.new('RGB', photo.size, (245, 243, 238)), photo, lost
  ), ImageOps.invert(lost)


def sepia(photo: Image.Image) -> Image.Image:
  """A faded print."""
  grey = ImageOps.autocontrast(ImageOps.grayscale(photo))
  return ImageOps.colorize(grey, (52, 36, 24), (236, 216, 178))


def crease(photo: Image.Image) -> tuple[Image.Image, Image.Image]:
  """A faded colour print with creases and a stain, and the mask of them, a little wider."""
  yellowed = Image.new('RGB', photo.size, (226, 196, 150))
  faded = Image.blend(ImageEnhance.Color(photo).enhance(0.6), yellowed, 0.28)
  lost = Image.new('L', photo.size)
  for points in CREASES:
    ImageDraw.Draw(lost).line(points, fill=255, width=5, joint='curve')
  ImageDraw.Draw(lost).ellipse(STAIN, fill=255)
  creased = Image.composite(Image.new('RGB', photo.size, (245, 243, 238)), faded, lost)
  return creased, ImageOps.invert(lost.filter(ImageFilter.MaxFilter(5)))


def group(photo: Image.Image) -> Image.Image:
  """Three of her, of three sizes; the middle one is mirrored."""
  heads = photo.crop((96, 0, 352, 256))
  page = Image.new('RGB', (600, 300), (176, 170, 164))
  page.paste(heads.resize((220, 220)), (10, 80))
  page.paste(ImageOps.mirror(heads.resize((300, 300))), (240, 0))
  page.paste(heads.resize((150, 150)), (445, 150))
  return page


def scan(photo: Image.Image) -> Image.Image:
  """A print that lies a little tilted on a scanner's white bed."""
  print_ = ImageOps.expand(photo.resize((170, 170)), 6, (250, 246, 235))
  page = Image.new('RGB', (560, 420), (255, 255, 255))
  turned = print_.convert('RGBA').rotate(8, Image.Resampling.BICUBIC, expand=True)
  page.paste(turned, (300, 170), turned)
  return page


def _save(photo: Image.Image, name: str) -> None:
  photo.save(HERE / name, quality=88)


if __name__ == '__main__':
  main()
