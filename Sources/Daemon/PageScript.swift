// What keeps the status page live: once a second it asks for the same page and takes over what differs in it.

enum PageScript {
    /// Nodes that stay the same stay in place: focus, selection and the place scrolled to are kept. An answer that is no page
    /// of ours (lbd has too much to do) is told apart from none; that there is no such pool any more is a page like others.
    static let javaScript = """
        "use strict";
        (() => {
          const alive = document.getElementById("alive");
          let seen = new Date(), timer;
          const same = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && a.id === b.id;
          const take = (old, fresh) => {
            if (old.nodeType !== 1) { if (old.data !== fresh.data) old.data = fresh.data; return; }
            for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
            for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
            const named = new Map();
            for (const child of old.children) if (child.id) named.set(child.id, child);
            let at = old.firstChild;
            for (const wanted of [...fresh.childNodes]) {
              const have = wanted.id ? named.get(wanted.id) : at;
              if (have && same(have, wanted)) {
                if (have === at) at = at.nextSibling; else old.insertBefore(have, at);
                take(have, wanted);
              } else old.insertBefore(document.importNode(wanted, true), at);
            }
            while (at) { const next = at.nextSibling; at.remove(); at = next; }
          };
          const update = async () => {
            clearTimeout(timer);
            let said = "No answer from lbd";
            try {
              const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(5000) });
              const text = await answer.text();
              if (!(answer.headers.get("content-type") || "").startsWith("text/html")) {
                said = "lbd answers " + answer.status + ", " + text.trim() + ", and has shown nothing new";
                throw answer;
              }
              const page = new DOMParser().parseFromString(text, "text/html");
              for (const id of ["top", "main"]) take(document.getElementById(id), page.getElementById(id));
              document.title = page.title;
              seen = new Date();
              alive.hidden = true;
            } catch {
              alive.textContent = said + " since " + seen.toISOString().slice(11, 19) + " UTC: what stands here is of then.";
              alive.hidden = false;
            }
            timer = setTimeout(update, document.hidden ? 15000 : 1000);
          };
          document.addEventListener("visibilitychange", () => { if (!document.hidden) update(); });
          timer = setTimeout(update, 1000);
        })();
        """
}
