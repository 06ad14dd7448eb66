"""A station that comes, goes or comes twice is told as an event."""


async def test_a_station_that_comes_and_goes_is_told(rig):
    async with rig.station():
        await rig.until(lambda: any(event.type == "StationConnected" for event in rig.events))
    await rig.until(lambda: any(event.type == "StationDisconnected" for event in rig.events))
    connected, gone = (event for event in rig.events if event.type in ("StationConnected", "StationDisconnected"))
    assert (connected.source, connected.fields["OcppVersion"]) == ("CP1", "1.6")
    assert (gone.source, bool(gone.fields["Reason"])) == ("CP1", True)


async def test_a_second_connection_that_displaces_the_first_is_told(rig):
    async with rig.socket(), rig.socket():
        await rig.until(lambda: any(event.type == "StationDisplaced" for event in rig.events))
