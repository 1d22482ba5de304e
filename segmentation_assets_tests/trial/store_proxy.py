"""The way to the object store: a proxy that passes requests on, answers them with 503, or lets them wait."""

import asyncio
import mmap

PASSING, FAILING, SLOW = range(3)
PAUSE_S = 0.4
REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/xml\r\nConnection: close\r\n"
    b"Content-Length: 78\r\n\r\n"
    b"<Error><Code>SlowDown</Code><Message>Please reduce your rate</Message></Error>"
)


def serve(port: int, target_port: int, mode: mmap.mmap) -> None:
    """Pass on what comes to a loopback port, until killed; the first byte of `mode` says how."""
    asyncio.run(_serve(port, target_port, mode))


async def _serve(port: int, target_port: int, mode: mmap.mmap) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _pass_on(reader, writer, target_port, mode)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", port) as server:
        await server.serve_forever()


async def _pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target_port: int, mode: mmap.mmap
) -> None:
    there_reader, there_writer = await asyncio.open_connection("127.0.0.1", target_port)
    back = asyncio.create_task(_copy(there_reader, writer))
    try:
        while block := await reader.read(65_536):
            if mode[0] == FAILING:
                writer.write(REFUSAL)
                await writer.drain()
                return
            if mode[0] == SLOW:
                await asyncio.sleep(PAUSE_S)
            there_writer.write(block)
            await there_writer.drain()
    finally:
        back.cancel()
        there_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while block := await reader.read(65_536):
        writer.write(block)
        await writer.drain()
    writer.close()
