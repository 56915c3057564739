"""The app's rooms. Only page, tabs and widgets know Gradio; services are plain Python."""
