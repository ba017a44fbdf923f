/* A list of the versions of this site above the table of contents, where the site was published beside others. In a build of
   one's own there is no list, and nothing is shown. */
document.addEventListener("DOMContentLoaded", async () => {
  const root = document.documentElement.dataset.content_root || "./";
  const here = new URL(root, location.href);
  const sidebar = document.querySelector(".sidebar-sticky .sidebar-search-container") || document.querySelector(".sidebar-brand");
  if (!sidebar || !here.protocol.startsWith("http")) return;
  const answer = await fetch(new URL("../versions.json", here)).catch(() => null);
  if (!answer || !answer.ok) return;
  const names = await answer.json();
  const current = here.pathname.split("/").filter(Boolean).pop();
  if (!names.includes(current)) return;
  const choice = document.createElement("select");
  choice.className = "versions";
  choice.setAttribute("aria-label", "Version");
  for (const name of names) {
    const text = name === "dev" ? "not yet released" : `version ${name}`;
    choice.append(new Option(text, name, name === current, name === current));
  }
  choice.addEventListener("change", async () => {
    const page = location.href.slice(here.href.length);
    const same = new URL(`../${choice.value}/${page}`, here);
    const there = await fetch(same, { method: "HEAD" }).catch(() => null);
    location.href = there && there.ok ? same : new URL(`../${choice.value}/index.html`, here);
  });
  sidebar.before(choice);
});
