'use strict';

for (const stack of document.querySelectorAll('.stack')) {
  const slider = stack.querySelector('input');
  const cut = (percent) => stack.style.setProperty('--cut', percent + '%');
  const follow = (event) => {
    if (!stack.hasPointerCapture(event.pointerId)) return;
    const { left, width } = stack.getBoundingClientRect();
    const percent = Math.min(Math.max((event.clientX - left) / width, 0), 1) * 100;
    slider.value = percent;
    cut(percent);
  };
  slider.hidden = false;
  slider.addEventListener('input', () => cut(slider.value));
  // A finger takes hold anywhere and may yet scroll the page; a mouse moves the cut at once.
  stack.addEventListener('pointerdown', (event) => {
    if (event.button) return;
    stack.setPointerCapture(event.pointerId);
    slider.focus({ preventScroll: true });
    if (event.pointerType === 'mouse') follow(event);
  });
  stack.addEventListener('pointermove', follow);
  stack.addEventListener('pointerup', follow);
  stack.addEventListener('mousedown', (event) => event.preventDefault());  // drags no picture
}

const box = document.getElementById('lightbox');
const view = box.querySelector('.view');
const large = view.querySelector('img');
let pictures = [];  // the links of one card, through which the arrows lead
let at = 0;
let zoom = 1;

function show(index) {
  at = (index + pictures.length) % pictures.length;
  const small = pictures[at].querySelector('img');  // the hero's link has none of its own
  const text = small ? small.alt : pictures[at].dataset.caption;
  large.src = pictures[at].href;
  large.alt = text;
  large.className = small ? small.className : '';
  document.getElementById('lightbox-caption').textContent = text;
}

function scale(factor) {
  zoom = Math.min(Math.max(zoom * factor, 1), 16);
  const x = (view.scrollLeft + view.clientWidth / 2) / view.scrollWidth;
  const y = (view.scrollTop + view.clientHeight / 2) / view.scrollHeight;
  large.style.setProperty('--zoom', zoom);
  view.scrollLeft = x * view.scrollWidth - view.clientWidth / 2;
  view.scrollTop = y * view.scrollHeight - view.clientHeight / 2;
}

const actions = {
  previous: () => show(at - 1),
  next: () => show(at + 1),
  smaller: () => scale(1 / 1.5),
  larger: () => scale(1.5),
  close: () => box.close(),
};
const keys = {
  ArrowLeft: actions.previous, ArrowRight: actions.next,
  '-': actions.smaller, '+': actions.larger, '=': actions.larger,
};

document.addEventListener('click', (event) => {
  const link = event.target.closest('a.zoom');
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  pictures = [...link.closest('.card').querySelectorAll('a.zoom')];
  large.style.removeProperty('--zoom');
  zoom = 1;
  show(pictures.indexOf(link));
  box.showModal();
});
box.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (button) actions[button.dataset.do]();
});
box.addEventListener('keydown', (event) => {
  if (!(event.key in keys) || event.ctrlKey || event.metaKey) return;
  if (zoom > 1 && event.key.startsWith('Arrow') && event.target === view) return;  // it scrolls
  event.preventDefault();
  keys[event.key]();
});
box.addEventListener('close', () => pictures[at].focus());
