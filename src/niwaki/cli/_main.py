"""The application and its one way of ending with an error."""


def main() -> None:
    """Run the command line."""
