"""The tabs: `build(services)` lays one out inside the page and wires it to its service."""

from __future__ import annotations


def click_on(button: str) -> str:
    """Code for the browser: click on a download button, which has just got its file.

    button: its id.
    """
    return f"""() => setTimeout(() => {{
  const box = document.getElementById("{button}");
  const link = box && (box.matches("a, button") ? box : box.querySelector("a, button"));
  if (link) link.click();
}}, 100)"""
