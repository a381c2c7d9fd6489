"""An exported folder as a repository of models on Hugging Face, with the user's token."""

from pathlib import Path

from seesaw.errors import UserError

NEEDED = 'pip install "seesaw-gan[export]"'


def push(folder: Path, name: str) -> str:
    """Upload the files of a folder into a repository, which is made, private, where there is none; returns the line to print.

    Args:
        folder: of `seesaw export --to hub`.
        name: OWNER/NAME.

    Raises:
        UserError: huggingface_hub or a token is missing, or the server refuses.
    """
    try:
        from huggingface_hub import HfApi, get_token
    except ImportError as error:
        raise UserError(f"--push needs huggingface_hub: {NEEDED}") from error
    token = get_token()
    if token is None:
        raise UserError(
            "--push needs a token of Hugging Face with the right to write: set HF_TOKEN, or call hf auth login"
        )
    api = HfApi(token=token)
    try:
        api.create_repo(name, private=True, exist_ok=True)
        api.upload_folder(folder_path=folder, repo_id=name, commit_message="Export of seesaw")
    except Exception as error:  # of the network, of the server, of the name
        words = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f"--push {name}: {words}; {folder} is written") from error
    return f"pushed to {api.endpoint}/{name}; a new repository is private until you change that on its page"
