// Open every page in a frame, at every width, and send what was found back to the test.
const WIDTHS = [1400, 400];

function wait(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function open(frame, path) {
  return new Promise((resolve) => {
    frame.onload = resolve;
    frame.src = path;
  });
}

function describe(element) {
  const text = element.textContent.trim().split("\n")[0].slice(0, 60);
  return `<${element.tagName.toLowerCase()} class="${element.className}"> ${text}`;
}

// The innermost elements of a block that reach furthest beyond it, three of them.
function findCauses(block, right) {
  const end = (element) => element.getBoundingClientRect().right;
  const beyond = [...block.querySelectorAll("*")].filter((element) => end(element) > right + 1);
  const innermost = beyond.filter((element) => ![...element.children].some((child) => beyond.includes(child)));
  innermost.sort((one, other) => end(other) - end(one));
  return innermost.slice(0, 3).map(describe).join("; ");
}

// The page, and every block that would have to be scrolled sideways.
function findWide(frame) {
  const { document, innerWidth } = frame.contentWindow;
  const wide = [];
  if (document.documentElement.scrollWidth > innerWidth) {
    const causes = findCauses(document.body, innerWidth);
    wide.push(`the page: ${document.documentElement.scrollWidth} px: ${causes}`);
  }
  for (const element of document.querySelectorAll(".bd-main *")) {
    if (element.clientWidth === 0 || element.scrollWidth <= element.clientWidth + 1) continue;
    const overflow = frame.contentWindow.getComputedStyle(element).overflowX;
    if (overflow === "auto" || overflow === "scroll") {
      const causes = findCauses(element, element.getBoundingClientRect().right);
      const widths = `${element.scrollWidth} of ${element.clientWidth} px`;
      wide.push(`${widths}: ${describe(element)}: ${causes}`);
    }
  }
  return wide;
}

// Press the buttons of blocks with prompts; return what each copies, and the code that it should.
function pressButtons(frame) {
  const page = frame.contentDocument;
  const pressed = [];
  for (const button of page.querySelectorAll("button.copybtn")) {
    const block = page.querySelector(button.dataset.clipboardTarget);
    if (block.querySelector(".gp") === null) continue;
    let copied = null;
    page.execCommand = () => {
      copied = page.querySelector("body > textarea").value; // from where the button copies
      return true;
    };
    button.click();
    const clone = block.cloneNode(true);
    clone.querySelectorAll(".go, .gt, .gr").forEach((output) => output.remove());
    const code = clone.textContent.split("\n").filter((line) => /^(>>>|\.\.\.)( |$)/.test(line));
    pressed.push({ copied: copied?.trimEnd(), code: code.map((line) => line.slice(4)).join("\n").trimEnd() });
  }
  return pressed;
}

async function measure(path) {
  const frame = document.createElement("iframe");
  frame.style.cssText = `border: 0; height: 900px; width: ${WIDTHS[0]}px`;
  document.body.replaceChildren(frame);
  await open(frame, path);
  const page = frame.contentWindow;
  const formulas = [...page.document.querySelectorAll(".math")];
  if (formulas.length > 0 && page.MathJax?.startup?.promise) {
    await Promise.race([page.MathJax.startup.promise, wait(60000)]);
  }
  const found = { wide: {}, n_formulas: formulas.length };
  for (const width of WIDTHS) {
    frame.style.width = `${width}px`;
    await wait(30);
    found.wide[width] = findWide(frame);
  }
  found.copies = pressButtons(frame);
  found.formulas = formulas
    .filter(
      (formula) =>
        !formula.querySelector("mjx-container") ||
        formula.querySelector('mjx-merror, [data-mml-node="merror"]'),
    )
    .map(describe);
  found.pictures = [...page.document.images]
    .filter((image) => image.loading !== "lazy" && image.naturalWidth === 0)
    .map((image) => image.src);
  found.fetched = page.performance
    .getEntriesByType("resource")
    .map((entry) => entry.name)
    .filter((address) => !address.startsWith(location.origin) && !address.startsWith("data:"));
  return found;
}

async function main() {
  const paths = await (await fetch("/pages")).json();
  const results = {};
  for (const path of paths) results[path] = await measure(`/${path}`);
  await fetch("/results", { method: "POST", body: JSON.stringify(results) });
}

main().catch((error) => fetch("/results", { method: "POST", body: String(error.stack) }));
